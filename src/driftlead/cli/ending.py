"""How commands end: exit codes, and one line instead of a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any, NoReturn

import typer

from driftlead.cli.addresses import option
from driftlead.errors import DriftleadError, InvalidParameterError

__all__ = ["CONTROL_C", "FAILED", "PIPE_CLOSED", "ending_well"]

#: The command could not do what it was asked.
FAILED = 2
#: As shells report a process that SIGINT ended.
CONTROL_C = 130
#: As shells report a process that SIGPIPE ended.
PIPE_CLOSED = 141


def ending_well(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command end with an exit code and at most one line, whatever it raises on purpose."""

    def fail(error: Exception) -> NoReturn:
        typer.echo(f"driftlead {command.__name__}: {_in_one_line(error)}", err=True)
        raise typer.Exit(FAILED) from None

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(CONTROL_C) from None
        except BrokenPipeError:
            # What is still in the buffer would fail again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(PIPE_CLOSED) from None
        except InvalidParameterError as error:
            parameter = signature(command).parameters.get(error.parameter)
            if parameter is not None and parameter.default is not Parameter.empty:
                error = InvalidParameterError(option(error.parameter), error.rule, error.value)
            fail(error)
        except (DriftleadError, OSError) as error:
            fail(error)

    return run


def _in_one_line(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    # A message may quote a file, and what a file holds must not steer a terminal.
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
