"""Serve ``model.pt`` over HTTP and say when the data, the network or its predictions drift."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")

EPILOG = """
Try it, in a second terminal:

- curl http://127.0.0.1:8000/v2/models/digits says what the model takes and gives
- curl http://127.0.0.1:8000/api/v1/monitor says what the monitor sees
- curl http://127.0.0.1:8001/metrics says it to Prometheus

Settings come from flags, then DRIFTLEAD_* variables and .env, then the configuration file:
DRIFTLEAD_SERVER__PORT=9000 is --port 9000. Ctrl-C or SIGTERM ends the service with exit code 0 after the
requests under way; if it cannot start it says why in one line and ends with 2.
"""


@app.command(epilog=EPILOG)
def main(
    model: Annotated[
        Path, typer.Option(help="The model, written by train_model.py.", show_default=True)
    ] = Path("model.pt"),
    config: Annotated[
        Path, typer.Option(help="Addresses, limits, detectors and the budget of false alarms.")
    ] = Path("configs/monitor.yaml"),
    host: Annotated[
        str | None, typer.Option(help="Address to serve on. Default: 127.0.0.1, this machine only.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to serve on; 0 takes a free one. Default: 8000.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the monitor's state and database; one for each service. Default: var."),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Port of /metrics; 0 takes a free one. Default: 8001.")
    ] = None,
) -> None:
    """Serve a trained model and watch it for drift.

    Answers predictions by the Open Inference Protocol V2. Every feature, the chosen layers' activations,
    and the prediction's confidence, entropy and class are watched with Page-Hinkley, incremental KS and
    NM-DDM, beside the predictions and never in their way.
    """
    if sys.stdout is not None and sys.stdout.isatty():
        print(f"Loading PyTorch and {model}: some seconds.", flush=True)
    # PyTorch takes seconds to import: --help should not.
    from driftlead.errors import DriftleadError
    from executor.serving import serve
    from executor.settings import ServingSettings
    from model.artefact import ArtefactError
    from utils.environment import SettingsError, load_settings

    flags = {
        "server": {"host": host, "port": port, "metrics_port": metrics_port},
        "storage": {"folder": folder},
    }
    try:
        serve(load_settings(ServingSettings, config, overrides=flags), model)
    except (SettingsError, ArtefactError, DriftleadError) as error:
        print(f"deployed_model: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def leave(code: int) -> None:
    """End the process even if a thread cannot: one that waits for a database that hangs waits for ever."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    try:
        app()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
        raise
