"""NannyML: its calculators at their defaults, a chunk for each block."""


def univariate(reference, names, blocks):
    import nannyml
    import pandas as pd

    calculator = nannyml.UnivariateDriftCalculator(column_names=list(names), chunk_size=1_000)
    calculator.fit(pd.DataFrame(reference, columns=names))
    seen = 0
    for block in blocks:
        result = calculator.calculate(pd.DataFrame(block, columns=names))
        alerts = result.filter(period="analysis").to_df().xs("alert", axis=1, level=2).iloc[0]
        seen += len(block)
        if alerts.any():
            yield seen, [column for (column, _), alert in alerts.items() if alert]


def reconstruction(reference, names, blocks):
    import nannyml
    import pandas as pd

    calculator = nannyml.DataReconstructionDriftCalculator(column_names=list(names), chunk_size=1_000)
    calculator.fit(pd.DataFrame(reference, columns=names))
    seen = 0
    for block in blocks:
        result = calculator.calculate(pd.DataFrame(block, columns=names))
        seen += len(block)
        if result.filter(period="analysis").to_df()["reconstruction_error", "alert"].iloc[0]:
            yield seen, None
