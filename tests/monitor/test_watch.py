"""Watches take their thresholds from a calibration, and refuse one that was made for something else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from driftlead.calibration import calibrate
from driftlead.errors import ReferenceMismatchError
from driftlead.monitor.watch import build_watches, detector_specs
from driftlead.reference import ReferenceProfile
from driftlead.signals import Signal
from tests.monitor.conftest import draw


@pytest.fixture
def calibration(profile, settings):
    return calibrate(
        profile,
        false_alarm_every=settings.false_alarm_every,
        detectors=detector_specs(settings),
        joint_budget=False,
    )


def test_a_calibration_sets_every_threshold(profile, settings, calibration):
    lowered = dataclasses.replace(
        calibration,
        pairs=tuple(dataclasses.replace(pair, threshold=pair.threshold * 0.9) for pair in calibration.pairs),
    )
    for watch in build_watches(profile, settings, lowered):
        assert watch.detector.threshold.tolist() == lowered.thresholds(watch.name).tolist()
        assert watch.columns.tolist() == calibration.columns(watch.name).tolist()


def test_without_one_independent_numeric_signals_get_the_same_thresholds(profile, settings, calibration):
    for watch in build_watches(profile, settings):
        numeric = [profile.signals[column].kind == "numeric" for column in watch.columns]
        np.testing.assert_allclose(
            watch.detector.threshold[numeric], calibration.thresholds(watch.name)[numeric], rtol=1e-6
        )


def test_a_guarantee_holds_with_and_without_a_calibration(profile, settings):
    plain = dataclasses.replace(settings, detectors=("page_hinkley", "incremental_ks"))
    guarded = dataclasses.replace(plain, guarantee=0.9)
    calibration = calibrate(
        profile,
        false_alarm_every=plain.false_alarm_every,
        detectors=detector_specs(plain),
        guarantee=0.9,
        joint_budget=False,
    )
    found = [build_watches(profile, guarded), build_watches(profile, guarded, calibration)]
    for bare, calibrated, lower in zip(*found, build_watches(profile, plain), strict=True):
        assert bare.detector.threshold.tolist() == calibrated.detector.threshold.tolist()
        assert np.all(bare.detector.threshold > lower.detector.threshold)


def test_a_new_category_alarms_where_the_reference_knew_only_one(rng, settings):
    rows = np.column_stack([np.zeros(2_000), draw(rng, 2_000)[:, 0]])
    profile = ReferenceProfile.from_rows([Signal("c", "categorical"), Signal("a")], rows, model_hash="1f")
    calibration = calibrate(profile, false_alarm_every=1e5, detectors=detector_specs(settings))
    for given in (None, calibration):
        watch = build_watches(profile, settings, given)[-1]
        assert watch.signals == ("c", "a")
        live = np.zeros(400)
        live[200:] = 1.0
        trace = watch.detector.update_many(np.column_stack([live, rows[:400, 1]]))
        assert np.flatnonzero(trace.alarm[:, 0]).min() in range(200, 260)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 101}, "the calibration of incremental_ks is for window 100, not 101: calibrate anew"),
        ({"delta": 0.3}, "of page_hinkley is for delta 0.25, not 0.3"),
        ({"bins": 9}, "of nmddm is for bins 8, not 9"),
        ({"guarantee": 0.9}, "is for guarantee None, not 0.9"),
        ({"false_alarm_every": 5e4}, "for one false alarm per 100,000 rows, not per 50,000"),
        ({"detectors": ("nmddm",)}, "for page_hinkley, incremental_ks, nmddm, not for nmddm"),
    ],
)
def test_other_settings_are_refused(profile, settings, calibration, change, message):
    with pytest.raises(ReferenceMismatchError, match=message):
        build_watches(profile, dataclasses.replace(settings, **change), calibration)


def test_another_profile_is_refused(profile, settings, calibration, rng):
    with pytest.raises(ReferenceMismatchError, match="belongs to model 1f, not to model 2e"):
        build_watches(dataclasses.replace(profile, model_hash="2e"), settings, calibration)
    shorter = ReferenceProfile.from_rows(profile.signals, draw(rng, 1_999), model_hash="1f")
    with pytest.raises(ReferenceMismatchError, match="for 2000 values of feature:a in column 0"):
        build_watches(shorter, settings, calibration)
