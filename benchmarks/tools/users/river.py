"""river: an ADWIN for each feature, at its defaults; after an alarm it begins anew by itself."""


def adwin(reference, names, blocks):
    from itertools import chain

    from river import drift

    tests, seen = [drift.ADWIN() for _ in names], 0
    for block in chain([reference], blocks):
        for row in block.tolist():
            for test, value in zip(tests, row, strict=True):
                test.update(value)
            seen += 1
            drifted = [name for name, test in zip(names, tests, strict=True) if test.drift_detected]
            if drifted and seen > len(reference):
                yield seen - len(reference), drifted
