"""Evidently: its preset for drift, with tests, a report of each block against the reference."""


def data_drift(reference, names, blocks):
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    report, seen = Report([DataDriftPreset()], include_tests=True), 0
    before = pd.DataFrame(reference, columns=names)
    for block in blocks:
        result = report.run(pd.DataFrame(block, columns=names), before).dict()
        seen += len(block)
        failed = [test["metric_config"]["params"] for test in result["tests"] if test["status"] == "FAIL"]
        drifted = [params["column"] for params in failed if "column" in params]
        if drifted:
            yield seen, drifted
