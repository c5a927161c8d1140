"""Deepchecks: its check of features' drift with the default condition, on each block."""


def feature_drift(reference, names, blocks):
    import pandas as pd
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import FeatureDrift

    check, seen = FeatureDrift().add_condition_drift_score_less_than(), 0
    before = Dataset(pd.DataFrame(reference, columns=names), cat_features=[])
    for block in blocks:
        now = Dataset(pd.DataFrame(block, columns=names), cat_features=[])
        result = check.run(before, now, with_display=False)
        seen += len(block)
        if not result.passed_conditions():
            yield seen, [name for name, found in result.value.items() if found["Drift score"] >= 0.2]
