"""The rules over bin counters: what they make of several replicas is what Python makes of all rows."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import yaml
from scipy import stats

from driftlead.exporters.prometheus import MonitorCollector
from driftlead.monitor import Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from tests.prometheus.test_rules import CONFIGS, promtool

SIGNALS = (
    Signal("feature:normal"),
    Signal("feature:gaps"),  # with missing values
    Signal("feature:counts"),  # with ties: fewer bins than others
    Signal("feature:constant"),
    Signal("prediction:class", "categorical"),
)
SECONDS = 3600
NAMES = {"model": "digits", "version": "1f"}


def draw(rng: np.random.Generator, rows: int, shift: float) -> np.ndarray:
    gaps = rng.exponential(1 + shift, rows)
    gaps[rng.random(rows) < 0.05 + shift / 10] = np.nan
    return np.column_stack(
        [
            rng.normal(shift, 1, rows),
            gaps,
            rng.poisson(1 + shift, rows),
            np.ones(rows),
            rng.integers(0, 3 + int(4 * shift), rows),
        ]
    )


def watch(profile: ReferenceProfile, rows: np.ndarray) -> Monitor:
    monitor = Monitor(profile, MonitorSettings(window=100))
    monitor.process(rows)
    return monitor


@pytest.fixture(scope="module")
def profiles() -> list[ReferenceProfile]:
    rng = np.random.default_rng(0)
    return [
        ReferenceProfile.from_rows(SIGNALS, draw(rng, rows, 0), model_hash="1f") for rows in (2_000, 3_000)
    ]


@pytest.fixture(scope="module")
def shares() -> list[np.ndarray]:
    """What each of three replicas is asked: shares of unequal size and unlike each other."""
    rng = np.random.default_rng(1)
    return [draw(rng, 400, 0), draw(rng, 900, 0.3), draw(rng, 60, 1)]


def series(monitor: Monitor, instance: str) -> list[dict[str, str]]:
    """What Prometheus scrapes of a monitor within an hour in which its counters grow evenly from 0."""
    made = []
    for family in MonitorCollector(monitor, **NAMES).collect():
        for sample in family.samples:
            labels = {"job": "driftlead", "instance": instance, "pod": instance, **sample.labels}
            text = ", ".join(f'{name}="{value}"' for name, value in labels.items())
            slope = sample.value / SECONDS * 60 if family.type == "counter" else 0
            first = 0 if family.type == "counter" else sample.value
            if np.isfinite(sample.value):
                made.append({"series": f"{sample.name}{{{text}}}", "values": f"{first}+{slope}x60"})
    return made


def expected(monitor: Monitor) -> list[tuple[str, str, float]]:
    """Rule, signal and value, from the counts of a monitor that was shown all rows."""
    snapshot = monitor.snapshot()
    reference_rows = monitor.profile.n_rows
    values = []
    for signal, bins, counts in zip(SIGNALS, snapshot.bins, snapshot.bin_counts, strict=True):
        live = (counts + 0.5) / (counts + 0.5).sum()
        psi = np.sum((live - bins.reference_ratio) * np.log(live / bins.reference_ratio))
        chance = stats.chi2.ppf(1 - 0.001 / len(SIGNALS), max(len(counts) - 1, 1))
        values += [
            ("observations:increase1h", signal.name, counts.sum()),
            ("psi:ratio1h", signal.name, psi),
            ("psi_critical:ratio1h", signal.name, chance * (1 / counts.sum() + 1 / reference_rows)),
        ]
        if signal.kind == "numeric":  # without the last bin, which is that of missing values
            live_cdf = np.cumsum(counts[:-1]) / counts[:-1].sum()
            reference_cdf = np.cumsum(bins.reference_ratio[:-1]) / bins.reference_ratio[:-1].sum()
            values.append(("ks:ratio1h", signal.name, np.abs(live_cdf - reference_cdf).max()))
    return values


def digest(monitor: Monitor) -> str:
    families = {family.name: family for family in MonitorCollector(monitor, **NAMES).collect()}
    return next(iter(families["driftlead_reference_observations"].samples)).labels["reference"]


@pytest.mark.server
def test_rules_make_of_the_replicas_what_python_makes_of_all_rows(profiles, shares, tmp_path):
    inputs, wanted = [], []
    for number, profile in enumerate(profiles):
        for replica, rows in enumerate(shares):
            inputs += series(watch(profile, rows), f"{number}-{replica}:8001")
        whole = watch(profile, np.concatenate(shares))
        wanted += [(rule, signal, digest(whole), value) for rule, signal, value in expected(whole)]
    assert len({reference for _, _, reference, _ in wanted}) == len(profiles)
    checks = []
    for rule in sorted({rule for rule, *_ in wanted}):
        samples = [
            {
                "labels": (
                    '{job="driftlead", model="digits", version="1f", '
                    f'signal="{signal}", reference="{reference}"}}'
                ),
                # The oldest Prometheus that is tested compares numbers by their last digit.
                "value": round(float(value) * 1e6),
            }
            for each, signal, reference, value in wanted
            if each == rule
        ]
        expression = f"round(signal:driftlead_signal_{rule} * 1e6)"
        checks.append({"expr": expression, "eval_time": "60m", "exp_samples": samples})
    cases = {
        "rule_files": [str(CONFIGS / "prometheus_drift_rules.yaml")],
        "evaluation_interval": "30s",
        "tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": checks}],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(cases))
    promtool("test", "rules", str(path))


def test_binned_ks_bounds_the_exact_one_from_below(profiles, shares):
    rows = np.concatenate(shares)
    values = {
        signal: value for rule, signal, value in expected(watch(profiles[0], rows)) if rule == "ks:ratio1h"
    }
    exact = stats.ks_2samp(profiles[0].samples[0], rows[:, 0]).statistic
    # Half an observation a bin smooths the reference.
    assert 0.8 * exact < values["feature:normal"] <= exact + 0.5 * 12 / profiles[0].n_rows
    assert values["feature:constant"] <= 0.5 * 3 / profiles[0].n_rows


def test_committed_rules_are_what_the_generator_writes(tmp_path):
    script = CONFIGS.parent / "ops/prometheus/build_rules.py"
    written = tmp_path / "rules.yaml"
    subprocess.run([sys.executable, "-B", script, written], check=True, timeout=60)
    assert written.read_text() == (CONFIGS / "prometheus_drift_rules.yaml").read_text()
