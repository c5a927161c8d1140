"""Write the rules that judge all replicas as one: ``python ops/prometheus/build_rules.py``.

A tool for who changes the bins or the rules; nothing that is served imports it. Its output,
``configs/prometheus_drift_rules.yaml``, is committed, and a test compares it with what this writes. It holds
for every reference: edges, shares and sizes of a reference come with the metrics, under its own label.
"""

from __future__ import annotations

import sys
from pathlib import Path

from driftlead.monitor.bins import NUMERIC_BINS

RULES = Path(__file__).parents[2] / "configs/prometheus_drift_rules.yaml"

#: Labels that tell replicas of one model apart; all others must agree before counts are added.
REPLICA = "instance, pod"

#: Over which time counts are added, as in the names of the rules.
WINDOW = "1h"

OBSERVED = f"signal_bin:driftlead_signal_bin_observations:increase{WINDOW}"
ROWS = f"signal:driftlead_signal_observations:increase{WINDOW}"
LIVE = f"signal_bin:driftlead_signal_bin:ratio{WINDOW}"
REFERENCE = "signal_bin:driftlead_reference_bin:ratio"
PSI = f"signal:driftlead_signal_psi:ratio{WINDOW}"
CRITICAL = f"signal:driftlead_signal_psi_critical:ratio{WINDOW}"
LIVE_ORDERED = f"signal_bin:driftlead_ordered_bin_observations:increase{WINDOW}"
REFERENCE_ORDERED = "signal_bin:driftlead_reference_ordered_bin:ratio"
DIFFERENCE = f"signal_bin:driftlead_ordered_bin:difference{WINDOW}"
CDF = f"signal_edge:driftlead_signal_cdf:difference{WINDOW}"
KS = f"signal:driftlead_signal_ks:ratio{WINDOW}"

HEADER = f"""\
# Drift over all replicas, from their bin counters. Written by ops/prometheus/build_rules.py, not by hand.
# Check: promtool check rules configs/prometheus_drift_rules.yaml
# What the numbers mean, and what they cannot say: docs/replicas.md
groups:
  - name: driftlead-replicas
    # {WINDOW} of counters is read anew each time; the tests of every replica are faster anyway.
    interval: 30s
    rules:
"""


def ordered(bins: str) -> str:
    """Leave the bins of a numeric signal that have an order; only a categorical one has a bin "other"."""
    return f'{bins}{{bin!="missing"}} unless ignoring (bin) {bins}{{bin="other"}}'


def rules() -> list[tuple[str, str, str, dict[str, str]]]:
    """Return comment, name, expression and labels of each rule, in the order of their evaluation."""
    made: list[tuple[str, str, str, dict[str, str]]] = [
        (
            "Observations per bin and per signal.",
            OBSERVED,
            f"sum without ({REPLICA}) (increase(driftlead_signal_bin_observations_total[{WINDOW}]))",
            {},
        ),
        ("", ROWS, f"sum without (bin) ({OBSERVED})", {}),
        (
            "Shares of the bins, smoothed by half an observation each, so that an empty one has a logarithm.",
            LIVE,
            f"({OBSERVED} + 0.5) / ignoring (bin) group_left ()"
            f" ({ROWS} + 0.5 * count without (bin) ({OBSERVED}))",
            {},
        ),
        (
            "Every replica exports the same reference.",
            REFERENCE,
            f"max without ({REPLICA}) (driftlead_reference_bin_ratio)",
            {},
        ),
        (
            "Population stability index: 0 for equal shares.",
            PSI,
            f"sum without (bin) (({LIVE} - {REFERENCE}) * ln({LIVE} / {REFERENCE}))",
            {},
        ),
        (
            "What it exceeds by chance alone, given how many rows there are: n live, m in the reference.",
            CRITICAL,
            f"max without ({REPLICA}) (driftlead_signal_chi_square_threshold)"
            f" * (1 / {ROWS} + ignoring (signal) group_left ()"
            f" 1 / max without ({REPLICA}) (driftlead_reference_observations))",
            {},
        ),
        (
            "Kolmogorov-Smirnov, of numeric signals without their missing values.",
            LIVE_ORDERED,
            ordered(OBSERVED),
            {},
        ),
        ("", REFERENCE_ORDERED, ordered(REFERENCE), {}),
        (
            "",
            DIFFERENCE,
            f"{LIVE_ORDERED} / ignoring (bin) group_left () (sum without (bin) ({LIVE_ORDERED}) > 0)"
            f" - {REFERENCE_ORDERED} / ignoring (bin) group_left () sum without (bin) ({REFERENCE_ORDERED})",
            {},
        ),
    ]
    comment = "Difference of the distribution functions at the upper edge of each bin but the last."
    for edge in range(NUMERIC_BINS - 1):
        below = "|".join(str(number) for number in range(edge + 1))
        made.append(
            (comment, CDF, f'sum without (bin) ({DIFFERENCE}{{bin=~"{below}"}})', {"edge": str(edge)})
        )
        comment = ""
    made.append(("", KS, f"max without (edge) (abs({CDF}))", {}))
    return made


def text() -> str:
    """Return the file's text."""
    lines = []
    for comment, name, expression, labels in rules():
        if comment:
            lines.append(f"      # {comment}")
        lines += [f"      - record: {name}", f"        expr: {expression}"]
        if labels:
            lines += [
                "        labels:",
                *(f'          {label}: "{value}"' for label, value in labels.items()),
            ]
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else RULES).write_text(text(), encoding="utf-8")
