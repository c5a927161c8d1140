"""whylogs: a profile of each block, its default drift scores and their thresholds."""


def drift_scores(reference, names, blocks):
    import pandas as pd
    import whylogs
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    before, seen = whylogs.log(pd.DataFrame(reference, columns=names)).view(), 0
    for block in blocks:
        profile = whylogs.log(pd.DataFrame(block, columns=names)).view()
        scores = calculate_drift_scores(profile, before, with_thresholds=True)
        seen += len(block)
        drifted = [name for name, score in scores.items() if score["drift_category"] == "DRIFT"]
        if drifted:
            yield seen, drifted
