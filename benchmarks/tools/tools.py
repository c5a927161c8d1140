"""Who does the job, in which environment, and how each was set."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OURS", "TOOLS", "Tool"]


@dataclass(frozen=True)
class Tool:
    """One row of the tables.

    Attributes
    ----------
    name : str
    user : str
        ``"file:function"`` in `users`.
    environment : str
        Folder below `.venv-peers`; empty for the interpreter that measures.
    setting : str
        What was chosen, and where its documentation says so; Markdown.
    names_features : bool
        Whether its verdict is on each feature.
    streams : int
        On how many of the streams; fewer where one takes minutes.
    """

    name: str
    user: str
    environment: str
    setting: str
    names_features: bool = True
    streams: int = 5


_ALIBI = (
    "https://github.com/SeldonIO/alibi-detect/blob/85d5a7d0015a6138075458213e92794aa1950fbc"
    "/doc/source/cd/methods"
)

OURS = Tool(
    "driftlead",
    "ours:in_blocks",
    "",
    "`Monitor(profile)`, its default settings: all three tests on every feature, every row, one false alarm"
    " in 1 000 000 rows over all of them; given 1 000 rows at a time",
)

TOOLS = (
    OURS,
    Tool(
        "driftlead, one in 20 000",
        "ours:one_in_20_000",
        "",
        "the same with a budget of one false alarm in 20 000 rows, which is what p = 0.05 over all features"
        " of each 1 000 rows amounts to",
    ),
    Tool("driftlead, row by row", "ours:row_by_row", "", "as the first, given one row at a time", streams=2),
    Tool(
        "Evidently",
        "evidently:data_drift",
        "evidently",
        "`DataDriftPreset` with its tests, a report of each 1 000 rows; it"
        " [chooses a distance](https://docs.evidentlyai.com/metrics/preset_data_drift) for each column by"
        " itself, and a threshold of 0.1. An alarm is a column that failed: its verdict on all columns"
        " together asks for half of them",
        streams=2,
    ),
    Tool(
        "NannyML, univariate",
        "nannyml:univariate",
        "nannyml",
        "`UnivariateDriftCalculator` at its defaults: Jensen-Shannon distance,"
        " [thresholds](https://nannyml.readthedocs.io/en/stable/how_it_works/thresholds.html) three"
        " deviations around the chunks of the reference; chunks of 1 000 rows, where it"
        " [recommends](https://nannyml.readthedocs.io/en/stable/how_it_works/chunking_data.html) 500 or more,"
        " ten of them in the reference, where it calls six a reasonable minimum",
    ),
    Tool(
        "NannyML, reconstruction",
        "nannyml:reconstruction",
        "nannyml",
        "`DataReconstructionDriftCalculator` at its defaults, the same chunks; one verdict on all features",
        names_features=False,
    ),
    Tool(
        "whylogs",
        "whylogs:drift_scores",
        "whylogs",
        "a profile of each 1 000 rows, `calculate_drift_scores` with its own choice of"
        " [algorithm and thresholds](https://github.com/whylabs/whylogs/blob/v1.4.4/python/examples/advanced/"
        "Drift_Algorithm_Configuration.ipynb): KS, drift below p = 0.05",
    ),
    Tool(
        "Deepchecks",
        "deepchecks:feature_drift",
        "deepchecks",
        "`FeatureDrift` with its default"
        " [condition](https://github.com/deepchecks/deepchecks/blob/de048941f4655fa4a1770efd242f82fc43c89d2b/"
        "deepchecks/utils/abstracts/feature_drift.py), a KS distance below 0.2; each 1 000 rows,"
        " without drawing",
    ),
    Tool(
        "frouros, KS",
        "frouros:ks",
        "frouros",
        "`KSTest` of each feature in each 1 000 rows, drift below p = 0.001, as in its"
        " [quick start](https://github.com/IFCA-Advanced-Computing/frouros#readme)",
    ),
    Tool(
        "Alibi Detect, KS",
        "alibi:ks",
        "alibi-detect",
        f"[`KSDrift`]({_ALIBI}/ksdrift.ipynb) of each 1 000 rows at its defaults: p = 0.05 over all features,"
        " with Bonferroni's correction",
    ),
    Tool(
        "Alibi Detect, CVM online",
        "alibi:cvm_online",
        "alibi-detect",
        f"[`CVMDriftOnline`]({_ALIBI}/onlinecvmdrift.ipynb), every row, window 50, an expected run of"
        " 1 000 rows: for 50 features that already takes 100 000 bootstraps, and a longer one in proportion;"
        " 500 rows of the reference, which it asks to keep small",
        streams=2,
    ),
    Tool(
        "river, ADWIN",
        "river:adwin",
        "river",
        "an [`ADWIN`](https://riverml.xyz/dev/api/drift/ADWIN/) of each feature at its defaults, every row,"
        " after having read the reference",
    ),
)
