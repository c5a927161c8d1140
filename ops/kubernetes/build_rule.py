"""Write the rules for the Prometheus operator: ``python ops/kubernetes/build_rule.py``.

A tool for who changes a rule. Its output, ``prometheus_rule.yaml`` beside it, holds the groups of all rule
files that ``configs/prometheus.yml`` names; it is committed, and a test compares it with what this writes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

CONFIGS = Path(__file__).parents[2] / "configs"
RULE = Path(__file__).parent / "prometheus_rule.yaml"


def rule() -> dict[str, Any]:
    """Return the PrometheusRule."""
    names = yaml.safe_load((CONFIGS / "prometheus.yml").read_text(encoding="utf-8"))["rule_files"]
    files = [yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8")) for name in names]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "driftlead", "labels": {"app.kubernetes.io/name": "driftlead"}},
        "spec": {"groups": [group for file in files for group in file["groups"]]},
    }


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RULE
    text = "# Written by ops/kubernetes/build_rule.py from configs/prometheus*_rules.yaml.\n"
    path.write_text(text + yaml.safe_dump(rule(), sort_keys=False, width=1000), encoding="utf-8")
