"""The application's settings name all of the library's, and nothing else."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import ValidationError

from driftlead.monitor import MonitorSettings
from driftlead.service import Limits
from executor.settings import LimitsSection, MonitorSection


def test_every_setting_of_the_library_can_be_set_by_its_own_name():
    own = {"enabled", "rows_per_second"}
    assert set(MonitorSection.model_fields) - own == {field.name for field in fields(MonitorSettings)}
    assert set(LimitsSection.model_fields) == {field.name for field in fields(Limits)}


def test_a_budget_may_be_a_time_where_the_traffic_is_known():
    section = MonitorSection(false_alarm_every="30 days", rows_per_second=2)
    assert section.settings().false_alarm_every == 5_184_000
    assert MonitorSection(false_alarm_every="1e5").settings().false_alarm_every == 100_000
    with pytest.raises(ValidationError, match="rows_per_second must be given and above 0 where the budget"):
        MonitorSection(false_alarm_every="30 days")
