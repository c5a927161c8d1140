"""Train the model of a configuration and write it to one file: ``python train_model.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from driftlead.monitor import MonitorSettings
    from executor.training import Epoch, Trained
    from model.config import ModelSettings


def main(
    config: Annotated[Path, typer.Option(help="What to train on, and how.")] = Path("configs/model.yaml"),
    monitor: Annotated[
        Path, typer.Option(help="How it will be watched: thresholds are found now, where this file is.")
    ] = Path("configs/monitor.yaml"),
    output: Annotated[
        Path | None, typer.Option(help="Where to write the model; by default as the configuration says.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the split, the first weights and the shuffling.")
    ] = None,
) -> None:
    """Train a network, profile its signals, measure it on held-out data, and save it."""
    # PyTorch takes seconds to import: --help should not, and Ctrl-C meanwhile is no traceback.
    from driftlead.errors import DriftleadError
    from executor.settings import ServingSettings
    from executor.training import TrainingError
    from model import artefact
    from model.config import ModelSettings
    from utils.environment import SettingsError, load_settings

    try:
        settings = load_settings(ModelSettings, config, overrides={"output": output, "seed": seed})
        watched = load_settings(ServingSettings, monitor).monitor if monitor.exists() else None
        artefact.require_writable(settings.output)
        trained = _train_with_progress(settings, watched.settings() if watched else None)
        artefact.save(settings.output, trained.artefact)
    except (SettingsError, DriftleadError, TrainingError, artefact.ArtefactError) as error:
        print(f"train_model: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        Console().show_cursor()  # which a progress bar interrupted while it started leaves hidden
        print("train_model: stopped, nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None
    _report(trained, settings.output)


def _train_with_progress(settings: ModelSettings, monitor: MonitorSettings | None) -> Trained:
    from executor.training import train

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    # Nothing else prints meanwhile; without redirection, a Ctrl-C at any moment still reaches stderr.
    with Progress(*columns, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task("training", total=settings.training.epochs, said="epochs")
        simulations: dict[str, TaskID] = {}

        def show(epoch: Epoch) -> None:
            said = f"epochs · loss {epoch.loss:.4f} · accuracy {epoch.accuracy:.1%}"
            progress.update(task, completed=epoch.number, said=said)

        def show_simulation(what: str, done: int, total: int) -> None:
            if what not in simulations:
                simulations[what] = progress.add_task(what, said="for thresholds")
            progress.update(simulations[what], completed=done, total=total)

        return train(settings, show, monitor, show_simulation)


def _report(trained: Trained, output: Path) -> None:
    model, quality = trained
    table = Table(show_header=False)
    table.add_row("model", f"{model.name} {model.model_hash}")
    table.add_row("hold-out accuracy", f"{quality.accuracy:.2%} of {quality.n_rows} rows")
    profile = model.profile
    if profile is not None and profile.quality is not None:
        accuracy = f"{profile.quality.metrics['accuracy']:.2%} of {profile.quality.n_rows} rows"
        table.add_row("monitor's reference accuracy", accuracy)
    table.add_row("expected calibration error", f"{quality.calibration_error:.2%}")
    table.add_row("written", f"{output} ({output.stat().st_size / 1024:.0f} KiB)")
    console = Console()
    console.print(table)
    flag = "" if output == Path("model.pt") else f" --model {output}"
    console.print(f"Serve it, monitored: python deployed_model.py{flag}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
