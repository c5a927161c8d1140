"""Pages that a reader follows in a terminal: every command and all Python runs and prints what is shown."""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.test_readme import DOCS, WALKED, said_to_print

# Python or shell, and the block of what it prints where one follows without a word between.
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n(?:\n```\n(.*?)^```$)?", flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", WALKED)
def test_a_reader_sees_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    ports = free_ports()
    text = (DOCS / page).read_text()
    for usual, free in zip(("8000", "8001"), ports, strict=True):
        text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{free}")
    names: dict[str, object] = {}
    with contextlib.ExitStack() as services:
        for language, code, output in BLOCK.findall(text):
            if language == "python":
                expected = output or "".join(f"{line}\n" for line in said_to_print(code))
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(compile(code, page, "exec"), names)
                assert printed.getvalue() == expected
            elif code.endswith("&\n"):
                services.enter_context(in_background(code.rstrip("&\n"), *ports))
            elif not code.startswith("pip install"):
                done = subprocess.run(code, shell=True, text=True, capture_output=True, timeout=60)
                assert [line.rstrip() for line in done.stdout.splitlines()] == output.splitlines(), (
                    done.stderr
                )


@contextlib.contextmanager
def in_background(command, port, metrics_port):
    where = f"--port {port} --metrics-port {metrics_port}"
    service = subprocess.Popen(f"exec {command} {where}", shell=True, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            assert service.poll() is None, f"{command} ended with {service.returncode}"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5).close()
                break
            time.sleep(0.1)
        yield
    finally:
        service.terminate()
        service.wait(timeout=30)


def free_ports():
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
