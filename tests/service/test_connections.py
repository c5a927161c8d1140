"""Clients that connect and say nothing, or hang up: others are answered, and the log stays short."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import prometheus_client
import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from driftlead.service.connections import PatientProtocol, quieten

REQUEST = b"GET / HTTP/1.1\r\nHost: service\r\n\r\n"


class Hasty(PatientProtocol):
    seconds_to_speak = 0.5
    most = 3


async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port() -> Iterator[int]:
    """A real server that takes three connections and waits half a second for a request."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, http=Hasty, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    listener.close()


def connect(port: int, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(data)
    return connection


def hang_up(connection: socket.socket) -> None:
    """Reset a connection instead of closing it, as probes do."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("said", [b"", REQUEST[:10]])
def test_a_connection_without_a_request_is_closed(port, said):
    with closing(connect(port, said)) as silent:
        began = time.monotonic()
        assert silent.recv(100) == b""
        assert time.monotonic() - began > 0.3


def test_a_connection_that_had_a_request_is_kept(port):
    with closing(connect(port, REQUEST)) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 204")
        time.sleep(0.8)
        connection.sendall(REQUEST)
        assert connection.recv(1000).startswith(b"HTTP/1.1 204")


def test_one_connection_too_many_is_hung_up_on(port):
    with ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(closing(connect(port, REQUEST)))
            assert connection.recv(1000).startswith(b"HTTP/1.1 204")
        # Within the half second that a silent connection would have, and by a reset or a plain end.
        fourth = stack.enter_context(closing(connect(port)))
        fourth.settimeout(0.3)
        with suppress(ConnectionResetError):
            assert fourth.recv(100) == b""
    time.sleep(0.1)
    with closing(connect(port, REQUEST)) as later:
        assert later.recv(1000).startswith(b"HTTP/1.1 204")


@pytest.fixture
def metrics() -> Iterator[tuple[int, CollectorRegistry]]:
    registry = CollectorRegistry()
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    quieten(server, seconds=0.3)
    yield server.server_port, registry
    server.shutdown()
    server.server_close()
    thread.join()


def test_scrapers_that_hang_up_or_say_nothing_are_no_news(metrics, capfd, caplog):
    port, _ = metrics
    for said in (b"", b"GET /met"):
        hang_up(connect(port, said))
    with closing(connect(port, b"GET /met")) as silent:
        assert silent.recv(100) == b""
    with closing(connect(port, b"GET /metrics HTTP/1.0\r\n\r\n")) as scrape:
        assert b"200 OK" in scrape.recv(1000)
    assert capfd.readouterr().err == ""
    assert caplog.records == []


def test_a_fault_behind_the_metrics_is_news(metrics, capfd, caplog, monkeypatch):
    port, _ = metrics

    def fail(handler):
        raise RuntimeError("a fault")

    monkeypatch.setattr(prometheus_client.exposition._SilentHandler, "handle", fail)
    with caplog.at_level(logging.ERROR), closing(connect(port)) as scrape:
        assert scrape.recv(100) == b""
    assert [record.getMessage() for record in caplog.records] == ["a request on the metrics' port failed"]
