"""frouros: a Kolmogorov-Smirnov test of each feature in each block, at the level of its quick start."""


def ks(reference, names, blocks):
    from frouros.detectors.data_drift import KSTest

    tests, seen = [KSTest() for _ in names], 0
    for test, column in zip(tests, reference.T, strict=True):
        test.fit(X=column)
    for block in blocks:
        results = [test.compare(X=column)[0] for test, column in zip(tests, block.T, strict=True)]
        seen += len(block)
        drifted = [name for name, result in zip(names, results, strict=True) if result.p_value < 0.001]
        if drifted:
            yield seen, drifted
