"""Logs: one JSON object per line on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Literal, TextIO

import structlog

__all__ = ["Level", "configure_logging"]

Level = Literal["debug", "info", "warning", "error"]


def configure_logging(level: Level = "info", stream: TextIO | None = None) -> None:
    """Send structlog's events, and those of Python's own ``logging``, to a stream as JSON lines.

    Call it once, in the script; modules take ``structlog.get_logger()``. Standard output stays free for what
    a program is asked to print.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
        Events beneath it are dropped.
    stream : text file, optional
        Where to write; standard error by default.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    target = sys.stderr if stream is None else stream
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(target),
        # Loggers made before this call must follow it too.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
