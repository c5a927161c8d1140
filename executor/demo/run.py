"""The demo from start to stop: service, traffic, view, verdict."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from driftlead.detectors import DETECTORS
from driftlead.errors import DriftleadError
from driftlead.service.address import Address
from executor.demo.client import ServiceClient
from executor.demo.play import Player
from executor.demo.progress import Progress
from executor.demo.scenario import MAX_SECONDS, Scenario, load_scenario
from executor.demo.screens import open_screen
from executor.demo.service_process import ServiceError, ServiceProcess, choose_port
from executor.demo.stopping import StopRequest
from executor.demo.summary import Outcome, outcome_table, summarise, write_summary
from executor.demo.traffic import Batch, Holdout, batches
from executor.demo.view import Labels
from executor.settings import ServingSettings
from model.artefact import ArtefactError
from model.artefact import load as load_artefact
from utils.environment import SettingsError, load_settings

__all__ = ["FAILURES", "Options", "run_demo"]

#: What `run_demo` raises when something outside it is wrong; each says what in one message.
FAILURES = (SettingsError, ArtefactError, DriftleadError, ServiceError)

#: Takes the verdict.
SUMMARY = Path("demo_summary.json")
#: Takes the service's output.
LOG = Path("var/demo/service.log")


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes
    ----------
    scenario, config, model : path
        ``configs/demo.yaml``, ``configs/monitor.yaml`` and ``model.pt``.
    until_done : bool
        End with the scenario and a verdict instead of staying up.
    seed : int or None
        Instead of the scenario's.
    """

    scenario: Path
    config: Path
    model: Path
    until_done: bool
    seed: int | None


def run_demo(options: Options, console: Console, stop: StopRequest) -> int:
    """Run the demo and return its exit code.

    0: passed, or stayed up until Ctrl-C. 1: ended with the scenario and failed. 128 + n: stopped by signal n
    before a verdict that was asked for.

    Raises
    ------
    SettingsError, ArtefactError, DriftleadError
        Settings, model or data are wrong.
    ServiceError
        The service did not start, died or answered with an error.
    """
    scenario = load_scenario(options.scenario, options.seed)
    settings = load_settings(ServingSettings, options.config)
    service, metrics = _addresses(settings, console)
    arguments = ["--model", str(options.model), "--config", str(options.config), "--host", service.host]
    arguments += ["--port", str(service.port), "--metrics-port", str(metrics.port)]
    # Each demo begins with an empty memory.
    with (
        tempfile.TemporaryDirectory(prefix="driftlead-demo-") as folder,
        ServiceProcess([*arguments, "--folder", folder], LOG) as process,
    ):
        # Read here what the service reads there, while it starts.
        artefact = load_artefact(options.model)
        dataset, rows = artefact.dataset(), artefact.splits.holdout
        stream = batches(scenario, Holdout(dataset.features[rows], dataset.labels[rows]))
        labels = Labels(artefact.name, artefact.model_hash, service.url, f"{metrics.url}/metrics")
        with closing(
            ServiceClient(service.url, labels.model, labels.version, settings.server.api_key)
        ) as client:
            if not process.wait_until(client.is_ready, given_up=lambda: bool(stop)):
                return _stopped(options, console, stop)
            console.print(f"service  {labels.service_url}   model {labels.model}, version {labels.version}")
            console.print(f"metrics  {labels.metrics_url}   service log {LOG}")
            try:
                return _perform(options, scenario, stream, client, labels, console, stop)
            except ServiceError:
                # No answer because it died? Then its log says more than the connection does.
                process.check(patience=2.0)
                raise


def _perform(
    options: Options,
    scenario: Scenario,
    stream: Iterator[Batch],
    client: ServiceClient,
    labels: Labels,
    console: Console,
    stop: StopRequest,
) -> int:
    progress = Progress(scenario)
    screen = open_screen(console, labels)
    outcome: Outcome | None = None
    try:
        player = Player(client, progress, screen, lambda: bool(stop))
        player.play(stream)
        if progress.finished:
            outcome = summarise(progress, tuple(DETECTORS))
            if not options.until_done:
                player.linger(stream, _note(outcome, scenario))
    finally:
        screen.close()
    if outcome is None:
        return _stopped(options, console, stop)
    _conclude(progress, outcome, console)
    if not options.until_done:
        return _stopped(options, console, stop)
    write_summary(SUMMARY, progress, outcome, labels.model, labels.version)
    console.print(f"written to {SUMMARY}")
    return 0 if outcome.passed else 1


def _addresses(settings: ServingSettings, console: Console) -> tuple[Address, Address]:
    """Choose where the service and its metrics listen; say so where it is not what the settings say."""
    server = settings.server
    wanted = Address(server.host, server.port), Address(server.metrics_host, server.metrics_port)
    service = choose_port(wanted[0])
    metrics = choose_port(wanted[1], avoid=(service.port,))
    for name, asked, got in (("service", wanted[0], service), ("metrics", wanted[1], metrics)):
        if got != asked and asked.port:
            console.print(f"port {asked.port} is taken: {name} on port {got.port}")
    return service, metrics


def _note(outcome: Outcome, scenario: Scenario) -> str:
    """Say below the view how it ended, briefly, since the view shows who alarmed when."""
    verdict = "passed: no alarm before the change, all detectors after it"
    pace = f"{scenario.traffic.rows_per_second_after:g} rows/s"
    return f"{verdict if outcome.passed else outcome.sentence}. Drifted rows go on at {pace} until Ctrl-C."


def _conclude(progress: Progress, outcome: Outcome, console: Console) -> None:
    console.print(outcome_table(outcome))
    before, after = (hits.accuracy for hits in (progress.before, progress.after))
    if before is not None and after is not None:
        console.print(f"accuracy {before:.1%} on clean rows, {after:.1%} on drifted rows")
    wanted = progress.scenario.traffic.rows
    if progress.before.rows + progress.after.rows < wanted and progress.seconds >= MAX_SECONDS - 1:
        console.print(
            f"the service was too slow: {progress.answered} of {wanted} rows in {MAX_SECONDS:.0f} s"
        )
    style = "bold green" if outcome.passed else "bold red"
    console.print(outcome.sentence, style=style, soft_wrap=not console.is_terminal)


def _stopped(options: Options, console: Console, stop: StopRequest) -> int:
    number = stop.signal or signal.SIGINT
    if options.until_done:
        console.print(f"stopped by {signal.Signals(number).name} before the end of the scenario: no verdict")
        return 128 + number
    console.print("stopping the service ...")
    return 0
