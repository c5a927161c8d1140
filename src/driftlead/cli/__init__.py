"""The command line: parse, call one function, exit code."""

from driftlead.cli.app import app

__all__ = ["app"]
