"""What of the image can be checked without building it: its recipe, its health check, its entry point."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.ops.conftest import ROOT
from tests.programs import free_port

DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "ops/Dockerfile").read_text())
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and line[0] != "#"]
LAST_STAGE = INSTRUCTIONS[max(at for at, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]


def last(name: str) -> str:
    return [rest for each, rest in LAST_STAGE if each == name][-1]


def test_the_process_is_nobody_and_gets_the_signals():
    user, group = last("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert json.loads(last("CMD")) == ["python", "deployed_model.py"]
    assert json.loads(last("ENTRYPOINT"))[0] == "sh"


def allowed(path: str) -> bool:
    """Whether .dockerignore lets a path into the build: the last pattern that fits decides."""
    decision = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.lstrip("!").removeprefix("**/")
        if line and line[0] != "#" and (fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/")):
            decision = line.startswith("!")
    return decision


def test_what_is_copied_exists_and_reaches_the_build():
    copied = [rest.split()[:-1] for name, rest in INSTRUCTIONS if name == "COPY" and "--from" not in rest]
    sources = {source for group in copied for source in group}
    assert {"src", "model", "deployed_model.py"} <= sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert allowed(source), source


def test_nothing_else_reaches_the_build():
    for path in (".env", ".git", "model.pt", ".venv", "tests", "var", "ops/docker-compose.yml"):
        assert not allowed(path), path


def test_the_folders_of_the_application_are_copied():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "docs"}
    copied = {rest.split()[0] for name, rest in INSTRUCTIONS if name == "COPY"}
    assert folders <= copied


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_follows_readiness(status, code):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert check_health(server.server_port) == code
        thread.join()
    assert asked == ["/v2/health/ready"]


def test_the_health_check_fails_where_nothing_listens():
    assert check_health(free_port()) == 1


def check_health(port: int) -> int:
    program, *arguments = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert program == "python"
    environment = {**os.environ, "DRIFTLEAD_SERVER__PORT": str(port)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, timeout=20, check=False, capture_output=True
    )
    return done.returncode


def test_the_entry_point_lays_out_the_kernels_and_becomes_the_command(tmp_path):
    built, cache = tmp_path / "built", tmp_path / "tmp/kernels"
    (built / "detectors").mkdir(parents=True)
    (built / "detectors/advance.nbi").write_bytes(b"index")
    environment = {**os.environ, "COMPILED_KERNELS": str(built), "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1])", "an argument"]
    with subprocess.Popen(
        ["sh", ROOT / "ops/entrypoint.sh", *command], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=20)
    assert output == f"{process.pid} an argument\n"
    assert (cache / "detectors/advance.nbi").read_bytes() == b"index"
