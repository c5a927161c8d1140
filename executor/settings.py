"""Settings of the served, monitored model: ``configs/monitor.yaml`` and ``DRIFTLEAD_*`` variables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from driftlead.monitor import MonitorSettings
from driftlead.service import Limits
from utils.logging import Level

__all__ = ["ServingSettings"]

_MONITOR = MonitorSettings()
_LIMITS = Limits()

Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_switch(cls, value: Any) -> Any:
        """Refuse ``true``, which pydantic would take for the number 1: no setting here is on or off."""
        if isinstance(value, bool):
            raise ValueError(f"must not be true or false, got {value}")
        return value


class ServerSection(_Section):
    """Where the service and its metrics listen, port 0 takes a free one; most signals among the metrics."""

    host: Host = "127.0.0.1"
    port: Port = 8000
    metrics_host: Host = "127.0.0.1"
    metrics_port: Port = 8001
    metrics_signals: int = Field(default=500, ge=1, le=100_000)
    drain_seconds: int = Field(default=10, ge=0, le=3600)


class LimitsSection(_Section):
    """See `driftlead.service.Limits`."""

    max_body_bytes: int = _LIMITS.max_body_bytes
    max_rows: int = _LIMITS.max_rows
    max_concurrent_requests: int = _LIMITS.max_concurrent_requests
    body_timeout_seconds: float = _LIMITS.body_timeout_seconds

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> LimitsSection:
        self.limits()
        return self

    def limits(self) -> Limits:
        """Return the limits; a value that breaks its rule raises `InvalidParameterError`."""
        return Limits(**self.model_dump())


class MonitorSection(_Section):
    """See `driftlead.monitor.MonitorSettings`."""

    false_alarm_every: float = _MONITOR.false_alarm_every
    detectors: tuple[str, ...] = _MONITOR.detectors
    # Our reference has 450 rows: a window nearer to that would mostly measure the error of the reference.
    window: int = 250
    delta: float = _MONITOR.delta
    direction: Literal["both", "up", "down"] = _MONITOR.direction
    bins: int = _MONITOR.bins
    queue_rows: int = _MONITOR.queue_rows
    recent_alarms: int = _MONITOR.recent_alarms
    seed: int = Field(default=_MONITOR.seed, ge=0)

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> MonitorSection:
        self.settings()
        return self

    def settings(self) -> MonitorSettings:
        """Return the monitor's settings; a value that breaks its rule raises `InvalidParameterError`."""
        return MonitorSettings(**self.model_dump())


class LoggingSection(_Section):
    """How much is logged."""

    level: Level = "info"


class ServingSettings(_Section):
    """Everything that ``deployed_model.py`` can be told."""

    server: ServerSection = ServerSection()
    limits: LimitsSection = LimitsSection()
    monitor: MonitorSection = MonitorSection()
    logging: LoggingSection = LoggingSection()
