"""Command line: ``python -m evaluation [--model model.pt] [--json FILE]``, ``python -m evaluation drift``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Model = Annotated[Path, typer.Option(help="A model that train_model.py wrote.")]


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    model: Model = Path("model.pt"),
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this file too.")
    ] = None,
) -> None:
    """Report the quality of a model on its held-out data."""
    if context.invoked_subcommand is not None:
        return
    # PyTorch takes seconds to import: --help should not, and Ctrl-C meanwhile is no traceback.
    from driftlead.errors import DriftleadError
    from evaluation.quality import evaluate
    from evaluation.report import class_table, confusion_table, summary_line
    from model import artefact

    try:
        quality = evaluate(artefact.load(model))
    except (artefact.ArtefactError, DriftleadError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(quality.to_json(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            print(f"evaluation: {json_file} cannot be written: {error.strerror}", file=sys.stderr)
            raise typer.Exit(2) from None
    console = Console()
    console.print(class_table(quality))
    console.print(confusion_table(quality))
    console.print(summary_line(quality), highlight=False, soft_wrap=True)


@app.command()
def drift(
    model: Model = Path("model.pt"),
    docs: Annotated[Path, typer.Option(help="Folder of which-signals.md and images/.")] = Path("docs"),
    seeds: Annotated[int, typer.Option(help="Streams of each corruption and severity.")] = 5,
) -> None:
    """Say which signals see a bad camera first, and what it costs, on held-out images made bad."""
    from driftlead.benchmark import figures
    from driftlead.benchmark.tables import fill
    from driftlead.errors import DriftleadError
    from evaluation.drift import measure_drift
    from evaluation.drift_page import figure, measured
    from model import artefact

    try:
        with _bar() as bar:
            task = bar.add_task("", total=None)
            sights, quiet = measure_drift(
                artefact.load(model),
                seeds=seeds,
                progress=lambda what, done, total: bar.update(
                    task, description=what, completed=done, total=total
                ),
            )
        fill(docs / "which-signals.md", "measured", measured(sights, quiet, seeds))
        figures.write(figure(sights), docs / "images" / "which-signals.svg")
    except (artefact.ArtefactError, DriftleadError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    print(f"written: {docs / 'which-signals.md'}, {docs / 'images' / 'which-signals.svg'}")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


if __name__ == "__main__":
    app()
