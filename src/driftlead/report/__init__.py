"""Reports of a period: one file that can be sent, printed, or read by a program."""

from driftlead.report.collect import FORMATS, Format, collect
from driftlead.report.write import render, write_report

__all__ = ["FORMATS", "Format", "collect", "render", "write_report"]
