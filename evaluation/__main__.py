"""Command line: ``python -m evaluation [--model model.pt] [--json FILE]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def main(
    model: Annotated[Path, typer.Option(help="A model that train_model.py wrote.")] = Path("model.pt"),
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this file too.")
    ] = None,
) -> None:
    """Report the quality of a model on its held-out data."""
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


if __name__ == "__main__":
    typer.run(main)
