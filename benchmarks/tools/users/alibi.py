"""Alibi Detect: its test of each feature in each block, and its online test of every row."""


def ks(reference, names, blocks):
    from alibi_detect.cd import KSDrift

    test, seen = KSDrift(reference, p_val=0.05), 0
    for block in blocks:
        data = test.predict(block)["data"]
        seen += len(block)
        if data["is_drift"]:
            yield seen, [name for name, p in zip(names, data["p_val"], strict=True) if p < data["threshold"]]


def cvm_online(reference, names, blocks):
    from alibi_detect.cd import CVMDriftOnline

    test, seen = CVMDriftOnline(reference[:500], ert=1_000, window_sizes=[50], n_bootstraps=100_000), 0
    for block in blocks:
        for row in block:
            data = test.predict(row)["data"]
            seen += 1
            if data["is_drift"]:
                over = (data["test_stat"] > data["threshold"]).any(axis=0)
                yield seen, [name for name, above in zip(names, over, strict=True) if above]
                test.reset_state()
