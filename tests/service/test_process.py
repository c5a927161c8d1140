"""The end of a service has one limit, whoever noticed first that it was to come."""

from __future__ import annotations

import contextlib
import logging
import signal

import pytest
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from driftlead.service.process import Ending, Endpoints, Hosted, _Server, run


@pytest.mark.parametrize("told", ["before it serves", "by uvicorn"])
def test_time_runs_from_the_moment_that_a_service_is_told_to_stop(told):
    ending = Ending(100.0)
    server = _Server(uvicorn.Config(None, log_config=None), lambda: None, ending)
    assert ending.left() == 100.0
    if told == "by uvicorn":
        server.handle_exit(signal.SIGTERM, None)
    else:
        server.stop()
    left = ending.left()
    assert server.should_exit
    assert left < 100.0
    server.stop()
    assert ending.left() <= left


def test_what_has_no_time_left_still_has_a_moment():
    ending = Ending(0.0)
    ending.begin()
    assert ending.left() == 0.1


def test_a_service_that_is_told_twice_to_stop_calls_nothing_an_error(caplog):
    def announce(*urls: str) -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    hosted = Hosted(FastAPI(), CollectorRegistry(), lambda: None, announce)
    run(Endpoints(port=0, metrics_port=0), lambda stack, ending: hosted)
    assert logging.getLogger("uvicorn.error").isEnabledFor(logging.ERROR)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_service_that_is_told_to_stop_while_a_library_swallows_exits_does_not_serve():
    served = []

    def start() -> None:
        with contextlib.suppress(SystemExit):  # as a callback from compiled code does
            signal.raise_signal(signal.SIGTERM)

    def announce(*urls: str) -> None:
        served.append(urls)
        signal.raise_signal(signal.SIGTERM)

    hosted = Hosted(FastAPI(), CollectorRegistry(), start, announce)
    run(Endpoints(port=0, metrics_port=0), lambda stack, ending: hosted)
    assert not served
