"""The application's settings name all of the library's, and nothing else."""

from __future__ import annotations

from dataclasses import fields

from driftlead.monitor import MonitorSettings
from driftlead.service import Limits
from executor.settings import LimitsSection, MonitorSection


def test_every_setting_of_the_library_can_be_set_by_its_own_name():
    assert set(MonitorSection.model_fields) - {"enabled"} == {field.name for field in fields(MonitorSettings)}
    assert set(LimitsSection.model_fields) == {field.name for field in fields(Limits)}
