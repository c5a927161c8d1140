"""``driftlead watch``: a model that another server serves, by the events of its payload logger."""

from __future__ import annotations

from typing import Annotated

import typer

from driftlead.cli.options import (
    ApiKey,
    Budget,
    Calibration,
    Folder,
    Host,
    MetricsHost,
    MetricsPort,
    Port,
    Reference,
    RowsPerSecond,
    Window,
    option,
)

__all__ = ["EPILOG", "watch"]

EPILOG = """
**Examples**

- driftlead watch --reference reference.state --model credit

- driftlead watch -r reference.state --model credit --host 0.0.0.0 --output probabilities --folder var

Send it the events of KServe's or Seldon's payload logger: in an InferenceService, logger: {mode: all, url:
http://driftlead:8000/events}. Requests and responses are paired by their id, which POST /feedback takes too.
"""


def watch(
    reference: Reference,
    model: Annotated[str, typer.Option(help="Name of the model, as its metrics are labelled.")],
    version: Annotated[str, typer.Option(help="Its version.")] = "1",
    output: Annotated[
        str | None,
        typer.Option(help="Output that holds the prediction; by default the first table of several columns."),
    ] = None,
    softmax: Annotated[bool, typer.Option("--softmax", help="That output holds logits.")] = False,
    wait: Annotated[
        float, typer.Option(min=0.001, help="Longest wait for the other half of a pair, in seconds.")
    ] = 60,
    memory: Annotated[int, typer.Option(min=1, help="Most memory of what waits, in MiB.")] = 256,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    metrics_host: MetricsHost = "127.0.0.1",
    metrics_port: MetricsPort = 8001,
    folder: Folder = None,
    false_alarm_every: Budget = None,
    rows_per_second: RowsPerSecond = None,
    window: Window = None,
    calibration: Calibration = None,
    api_key: ApiKey = None,
) -> None:
    """Watch a model that is served elsewhere, and say when it drifts."""
    from driftlead.cli.reference import load_profile, load_settings
    from driftlead.service import Translation, create_watch_app
    from driftlead.service.host import Watched
    from driftlead.service.host import host as run
    from driftlead.service.process import Endpoints

    profile = load_profile(reference)
    translation = Translation(profile, output, softmax=softmax)
    thresholds, settings = load_settings(
        profile,
        calibration,
        false_alarm_every=false_alarm_every,
        rows_per_second=rows_per_second,
        window=window,
    )
    run(
        Watched(model, version, profile, settings, folder, thresholds),
        Endpoints(host, port, metrics_host, metrics_port, setting=option),
        lambda monitor, registry: create_watch_app(
            monitor,
            translation,
            model=model,
            version=version,
            registry=registry,
            max_pending_bytes=memory * 1024 * 1024,
            max_pending_seconds=wait,
            api_key=api_key,
        ),
        lambda url: [f"  events    {url}/events"],
    )
