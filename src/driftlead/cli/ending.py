"""How commands end: exit codes, and one line instead of a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import typer
from typer.core import TyperGroup

from driftlead.cli.options import option
from driftlead.errors import DriftleadError, InvalidParameterError

__all__ = ["CONTROL_C", "FAILED", "PIPE_CLOSED", "Commands", "ending_well"]

#: The command could not do what it was asked.
FAILED = 2
#: As shells report a process that SIGINT ended.
CONTROL_C = 130
#: As shells report a process that SIGPIPE ended.
PIPE_CLOSED = 141


@contextmanager
def _ending(name: str) -> Iterator[None]:
    """End with an exit code and at most one line, whatever is raised on purpose."""
    try:
        yield
        if sys.stdout is not None:  # closed by whoever started this
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(CONTROL_C) from None
    except BrokenPipeError:
        # What is still in the buffer would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(PIPE_CLOSED) from None
    except SystemExit as end:
        # Rich, which prints the help, ends with 1 where nobody reads it.
        if end.code == 1 and isinstance(end.__context__, BrokenPipeError):
            raise typer.Exit(PIPE_CLOSED) from None
        raise
    except (DriftleadError, OSError) as error:
        typer.echo(f"{name}: {_in_one_line(error)}", err=True)
        raise typer.Exit(FAILED) from None


def ending_well(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command end well; errors of its options name them as a command line spells them."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        with _ending(f"driftlead {command.__name__}"):
            try:
                command(*arguments, **options)
            except InvalidParameterError as error:
                parameter = signature(command).parameters.get(error.parameter)
                if parameter is None or parameter.default is Parameter.empty:
                    raise
                raise InvalidParameterError(option(error.parameter), error.rule, error.value) from None

    return run


class Commands(TyperGroup):
    """Commands whose help ends as they do, where it cannot be written."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the arguments, which prints what is asked for before any command runs."""
        with _ending("driftlead"):
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, which prints its own help."""
        with _ending("driftlead"):
            return super().invoke(ctx)


def _in_one_line(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    # A message may quote a file, and what a file holds must not steer a terminal.
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
