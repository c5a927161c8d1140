"""The service as a child process, with small real programs in its place: it is never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from driftlead.service.address import Address
from executor.demo import service_process
from executor.demo.service_process import ServiceError, ServiceProcess, choose_port

WAITS = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended; it only waits to be reaped by whoever adopted it.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def start(tmp_path):
    def run(code: str, *arguments: str) -> ServiceProcess:
        script = tmp_path / "service.py"
        script.write_text(code)
        return ServiceProcess(list(arguments), tmp_path / "logs" / "service.log", script)

    return run


def test_leaving_the_context_ends_the_process(start):
    with start(WAITS) as process:
        assert wait_for(lambda: "up" in process.log.read_text())
        assert is_running(process.pid)
    assert not is_running(process.pid)


def test_a_process_that_ignores_the_request_is_killed(start, monkeypatch):
    monkeypatch.setattr(service_process, "GRACE_SECONDS", 0.2)
    with start(STUBBORN) as process:
        assert wait_for(lambda: "up" in process.log.read_text())
    assert not is_running(process.pid)


def test_a_process_that_dies_says_its_last_lines(start):
    code = "for n in range(50): print('line', n)\nraise SystemExit('the port is in use')"
    with start(code) as process, pytest.raises(ServiceError) as caught:
        process.wait_until(lambda: False, given_up=lambda: False)
    message = str(caught.value)
    assert "ended with exit code 1" in message
    assert "the port is in use" in message
    assert "line 49" in message
    assert "line 12" not in message


def test_a_killed_process_says_by_which_signal(start):
    with start(WAITS) as process:
        assert wait_for(lambda: "up" in process.log.read_text())
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ServiceError, match="was ended by SIGKILL"):
            process.check(patience=5.0)


def test_waiting_ends_when_ready_or_given_up_or_too_late(start):
    with start(WAITS) as process:
        assert process.wait_until(lambda: True, given_up=lambda: False)
        assert not process.wait_until(lambda: False, given_up=lambda: True)
        with pytest.raises(ServiceError, match="not ready after 0 s"):
            process.wait_until(lambda: False, given_up=lambda: False, seconds=0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_process_ends_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "service.py"
    script.write_text(WAITS)
    log = tmp_path / "service.log"
    parent_code = (
        "import time; from pathlib import Path\n"
        "from executor.demo.service_process import ServiceProcess\n"
        f"process = ServiceProcess([], Path({str(log)!r}), Path({str(script)!r}))\n"
        "print(process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert wait_for(lambda: log.exists() and "up" in log.read_text())
        parent.kill()
    assert wait_for(lambda: not is_running(child))


def test_a_taken_port_is_replaced_by_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = Address("127.0.0.1", taken.getsockname()[1])
        chosen = choose_port(wanted)
        assert chosen.host == wanted.host
        assert chosen.port != wanted.port
    assert choose_port(wanted) == wanted
    assert choose_port(wanted, avoid=(wanted.port,)) != wanted
