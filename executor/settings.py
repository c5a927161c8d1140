"""Settings of the served, monitored model: ``configs/monitor.yaml`` and ``DRIFTLEAD_*`` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from driftlead.calibration import rows_per_false_alarm
from driftlead.monitor import MonitorSettings
from driftlead.service import Limits
from driftlead.service.api_key import checked_api_key
from driftlead.webhooks import Webhook
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
    def _is_no_switch(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true``, which pydantic would take for the number 1, where a setting is not on or off."""
        field = cls.model_fields[info.field_name] if info.field_name is not None else None
        if isinstance(value, bool) and not (field is not None and field.annotation is bool):
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
    # Of PyTorch, for a prediction: a second one only wakes and waits where a model is small.
    threads: int = Field(default=1, ge=1, le=1024)
    # What clients show to send labels, acknowledge episodes and the like; without one nothing is asked for.
    api_key: Annotated[str, Field(min_length=8)] | None = None

    @field_validator("api_key")
    @classmethod
    def _can_be_shown(cls, api_key: str | None) -> str | None:
        return checked_api_key(api_key)


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
    """See `driftlead.monitor.MonitorSettings`; disabled, the model is served unwatched."""

    enabled: bool = True

    false_alarm_every: float | str = _MONITOR.false_alarm_every
    rows_per_second: float | None = None
    guarantee: float | None = _MONITOR.guarantee
    detectors: tuple[str, ...] = _MONITOR.detector_names
    # Our reference has 450 rows: a window nearer to that would mostly measure the error of the reference.
    window: int = 250
    delta: float = _MONITOR.delta
    direction: Literal["both", "up", "down"] = _MONITOR.direction
    quiet_rows: int | None = _MONITOR.quiet_rows
    bins: int = _MONITOR.bins
    queue_rows: int = _MONITOR.queue_rows
    queue_bytes: int = _MONITOR.queue_bytes
    recent_alarms: int = _MONITOR.recent_alarms
    linger_seconds: float = _MONITOR.linger_seconds
    kept_predictions: int = _MONITOR.kept_predictions
    label_deadline_seconds: float = _MONITOR.label_deadline_seconds
    quality_window: int = _MONITOR.quality_window
    save_every_seconds: float = _MONITOR.save_every_seconds
    seed: int = Field(default=_MONITOR.seed, ge=0)

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> MonitorSection:
        self.settings()
        return self

    def settings(self) -> MonitorSettings:
        """Return the monitor's settings; a value that breaks its rule raises `InvalidParameterError`."""
        budget = rows_per_false_alarm(self.false_alarm_every, self.rows_per_second)
        others = self.model_dump(exclude={"enabled", "false_alarm_every", "rows_per_second"})
        return MonitorSettings(false_alarm_every=budget, **others)


class StorageSection(_Section):
    """Where the state of the monitor, predictions, labels and episodes are kept."""

    # Of one replica alone; nothing is kept over a restart where there is none.
    folder: Path | None = Path("var")
    # By default a SQLite file in the folder.
    url: str | None = None
    keep_days: float = Field(default=30.0, gt=0)

    @property
    def database_url(self) -> str | None:
        """Where the database is; None where nothing is kept."""
        if self.url is not None or self.folder is None:
            return self.url
        return f"sqlite:///{self.folder / 'driftlead.db'}"


class WebhookSection(_Section):
    """Whom to tell of episodes of drift; see `driftlead.webhooks.Webhook`."""

    name: Annotated[str, Field(min_length=1)]
    url: str
    secret: str | None = None
    allow_private: bool = False

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> WebhookSection:
        self.webhook()
        return self

    def webhook(self) -> Webhook:
        """Return the webhook; a value that breaks its rule raises `InvalidParameterError`."""
        return Webhook(self.url, secret=self.secret, allow_private=self.allow_private)


class LoggingSection(_Section):
    """How much is logged."""

    level: Level = "info"


class ServingSettings(_Section):
    """Everything that ``deployed_model.py`` can be told."""

    server: ServerSection = ServerSection()
    limits: LimitsSection = LimitsSection()
    monitor: MonitorSection = MonitorSection()
    storage: StorageSection = StorageSection()
    webhooks: tuple[WebhookSection, ...] = ()

    @field_validator("webhooks")
    @classmethod
    def _have_names_of_their_own(cls, webhooks: tuple[WebhookSection, ...]) -> tuple[WebhookSection, ...]:
        names = [webhook.name for webhook in webhooks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"must have a name of their own each, got {name!r} twice")
        return webhooks

    logging: LoggingSection = LoggingSection()
