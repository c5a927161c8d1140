"""The demo's command line: parse, run, turn what went wrong into one message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from executor.demo.stopping import StopRequest

__all__ = ["app"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    scenario: Annotated[Path, typer.Option(help="What to send, and the drift.")] = Path("configs/demo.yaml"),
    config: Annotated[Path, typer.Option(help="The service's settings.")] = Path("configs/monitor.yaml"),
    model: Annotated[Path, typer.Option(help="The model to serve.")] = Path("model.pt"),
    until_done: Annotated[
        bool, typer.Option("--until-done", help="End with the scenario; exit code 0 only if it passes.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Which rows are drawn, instead of the scenario's.")] = None,
) -> None:
    """Serve the model, send it clean held-out rows and then drifting ones, and show who notices when."""
    # Text that the terminal's encoding lacks is replaced, not a crash.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    console = Console(highlight=False, markup=False)
    with StopRequest() as stop:
        try:
            # PyTorch takes seconds to import: --help should not, and a person should see what is under way.
            console.print("starting the service ...")
            from executor.demo.run import FAILURES, Options, run_demo

            options = Options(scenario, config, model, until_done, seed)
            try:
                code = run_demo(options, console, stop)
            except FAILURES as error:
                print(f"demo: {error}", file=sys.stderr)
                code = 2
        except OSError as error:
            code = _output_lost(error)
    raise typer.Exit(code)


def _output_lost(error: OSError) -> int:
    """Whoever read the output is gone (a closed pipe or terminal): end without a word, nobody hears it."""
    if error.errno not in (errno.EPIPE, errno.EIO):
        print(f"demo: {error}", file=sys.stderr)
        return 2
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
