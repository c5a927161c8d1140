"""``driftlead`` and its commands. What they do is imported when they run, so that ``--help`` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

import driftlead
from driftlead.cli import bench, calibrate, profile, replay, report, serve, watch
from driftlead.cli.ending import Commands, ending_well

__all__ = ["app"]

EPILOG = """
**From a file of training data to a watched model**

- driftlead profile train.csv -o reference.state

- driftlead replay last_week.csv --reference reference.state

- driftlead serve model.pt2 --reference reference.state

Exit codes: 0 done (replay: no drift), 1 replay found drift, 2 it could not be done and one line says why,
130 Ctrl-C. Colours appear on a terminal alone, and not where NO_COLOR is set.
"""

app = typer.Typer(
    name="driftlead",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"driftlead {driftlead.__version__}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Drift detection for deployed models, within one false-alarm budget."""


for module in (replay, profile, calibrate, serve, watch, report, bench):
    name = module.__name__.rpartition(".")[2]
    app.command(name, epilog=module.EPILOG)(ending_well(getattr(module, name)))
