"""The script as its user meets it: a process that serves, exports, stops, or says in one line why not."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
import yaml

import deployed_model
from driftlead.calibration import calibrate
from driftlead.detectors import DETECTORS
from driftlead.errors import ReferenceMismatchError
from driftlead.monitor import MonitorSettings
from driftlead.monitor.watch import detector_specs
from executor.serving import compose
from executor.settings import ServingSettings, StorageSection
from model.artefact import load, save
from tests.programs import log_until_serving, require_program
from tests.service.conftest import Service
from utils.environment import SettingsError, load_settings

ROOT = Path(__file__).parents[2]
ZEROS = {"inputs": [{"name": "input", "shape": [2, 8, 8], "datatype": "FP32", "data": [0] * 128}]}
FREE_PORTS = ["--port", "0", "--metrics-port", "0"]
UNKEPT = ServingSettings(storage=StorageSection(folder=None))


@pytest.fixture(autouse=True)
def kept_nowhere(monkeypatch):
    """Services started in this process keep nothing in the repository."""
    monkeypatch.setenv("DRIFTLEAD_STORAGE__FOLDER", "null")


def environment(**variables: str) -> dict[str, str]:
    """The process environment without settings of ours, and with a few."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DRIFTLEAD_", "WEB_"))}
    # Services of several tests run side by side: none may keep anything where another does.
    return {"DRIFTLEAD_STORAGE__FOLDER": "null", **kept, **variables}


def start(*arguments: Any, stdout: int = subprocess.PIPE, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "deployed_model.py"), *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(**variables),
    )


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(number)
    try:
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    return process.returncode, errors


@pytest.fixture
def served(trained_model_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The running script, and its log line that says where it serves: the first, whatever the level."""
    process = start("--model", trained_model_path, *FREE_PORTS, DRIFTLEAD_LOGGING__LEVEL="debug")
    try:
        line = process.stderr.readline()
        assert line.startswith("{"), line + process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def test_it_serves_exports_and_stops(served):
    process, where = served
    assert where["event"] == "serving"
    with httpx.Client(trust_env=False, timeout=10) as client:
        check_answers(client, where)
        check_metrics(client, where)
    errors = stop_during_a_request(process, where)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert json.loads(errors.splitlines()[-1])["event"] == "stopped"


def check_answers(client: httpx.Client, where: dict[str, Any]) -> None:
    """Two rows are predicted and reach the monitor, a bad body does not."""
    infer = f"{where['url']}/v2/models/{where['model']}/versions/{where['version']}/infer"
    assert client.get(f"{where['url']}/v2/health/ready").json() == {"ready": True}
    answer = client.post(infer, json=ZEROS)
    assert answer.status_code == 200, answer.text
    outputs = {output["name"]: output for output in answer.json()["outputs"]}
    assert outputs["probabilities"]["shape"] == [2, 10]
    assert sum(outputs["probabilities"]["data"]) == pytest.approx(2, abs=1e-5)
    assert client.post(infer, content=b"{").status_code == 400
    # urllib sends all of a body before it reads, and asks for the connection to be closed.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError, match="413") as refused:
        direct.open(infer, data=b" " * (1 << 25))
    assert json.load(refused.value) == {"error": f"body must be at most {1 << 24} bytes, got {1 << 25}"}
    refused.value.close()
    deadline = time.monotonic() + 10
    while client.get(f"{where['url']}/api/v1/monitor").json()["rows"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    state = client.get(f"{where['url']}/api/v1/monitor").json()
    assert {each["detector"] for each in state["detectors"]} == set(DETECTORS)


def check_metrics(client: httpx.Client, where: dict[str, Any]) -> None:
    """Both kinds of metrics are on the metrics' port, and nothing of the service is."""
    metrics = client.get(where["metrics_url"]).text
    labels = f'model="{where["model"]}",version="{where["version"]}"'
    assert f'driftlead_inference_requests_total{{code="200",{labels}}} 1.0' in metrics
    assert f"driftlead_monitor_rows_total{{{labels}}} 2.0" in metrics
    assert "driftlead_signal_threshold{" in metrics
    assert "_created" not in metrics
    assert client.get(f"{where['url']}/metrics").status_code == 404


def stop_during_a_request(process: subprocess.Popen[str], where: dict[str, Any]) -> str:
    """Send SIGTERM while half a request is there: it is answered, newcomers are not. Return the log."""
    url = httpx.URL(where["url"])
    body = json.dumps(ZEROS).encode()
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        path = f"/v2/models/{where['model']}/infer"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:50])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((url.host, url.port), timeout=10)
        connection.sendall(body[50:])
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 OK"), answer
    return process.communicate(timeout=20)[1]


def test_a_terminal_is_told_where_everything_is_and_ctrl_c_stops_it(trained_model_path):
    curl = require_program("curl")
    controller, terminal = pty.openpty()
    process = start("--model", trained_model_path, *FREE_PORTS, stdout=terminal)
    os.close(terminal)
    try:
        shown = ""
        while "-d @-" not in shown:
            shown += os.read(controller, 4096).decode().replace("\r\n", "\n")
        line = re.search(r"^  (python3 -c .*)$", shown, re.MULTILINE)[1]
        line = line.replace("python3", sys.executable, 1).replace("curl", curl, 1)
        answer = subprocess.run(
            ["sh", "-c", line], capture_output=True, text=True, timeout=20, check=True, env=environment()
        )
        assert json.loads(answer.stdout)["outputs"][1]["name"] == "label"
        assert "/metrics" in shown
        assert "(64 feature, " in shown
        code, errors = stop(process, signal.SIGINT)
    finally:
        process.kill()
        with suppress(OSError):
            os.close(controller)
    assert code == 0
    assert "Traceback" not in errors


def taken_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def refusal(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """Run the script in this process; it must end with exit code 2 and one line. Return the line."""
    with pytest.raises(SystemExit) as ended:
        deployed_model.app([str(argument) for argument in arguments])
    assert ended.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    (line,) = errors.splitlines()
    return line.removeprefix("deployed_model: ")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("server: {prot: 1}", "unknown key server.prot: did you mean server.port?"),
        ("server: {port: 70000}", "server.port must be less than or equal to 65535, got 70000"),
        ("monitor: {window: 1}", "window must be at least 2, got 1"),
        (
            "monitor: {detectors: [ddm]}",
            f"detectors must be among {', '.join(DETECTORS)}, got 'ddm'",
        ),
        ("server: {port: true}", "server.port: must not be true or false, got True"),
        ("monitor: {window: 1000000000}", "window must be at most 1000000, got 1000000000"),
        ("limits: {max_rows: 0}", "max_rows must be above 0, got 0"),
        ("server: [", "not valid YAML"),
    ],
)
def test_bad_settings_are_named(tmp_path, settings, complaint):

    path = tmp_path / "monitor.yaml"
    path.write_text(settings)
    with pytest.raises(SettingsError) as refused:
        load_settings(ServingSettings, path, environ={}, env_file=None)
    assert complaint in str(refused.value)
    assert str(path) in str(refused.value)


def test_the_shipped_configuration_is_the_defaults():

    path = ROOT / "configs" / "monitor.yaml"
    shipped = load_settings(ServingSettings, path, environ={}, env_file=None)
    assert shipped == ServingSettings()

    written = yaml.safe_load(path.read_text())
    assert {key: set(value) for key, value in written.items()} == {
        key: set(value) for key, value in ServingSettings().model_dump().items()
    }


@pytest.mark.usefixtures("restored_logging")
def test_bad_starts_end_with_one_line(tmp_path, trained_model_path, capsys, monkeypatch):
    model = ("--model", trained_model_path)
    config = tmp_path / "typo.yaml"
    config.write_text("servre: {}\n")
    assert "unknown key servre" in refusal(capsys, *model, "--config", config)
    assert refusal(capsys, *model, "--config", tmp_path / "no.yaml").endswith("no.yaml not found")
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with taken_port() as taken:
        port = str(taken.getsockname()[1])
        line = refusal(capsys, *model, "--port", port, "--metrics-port", "0")
        assert line.startswith(f"cannot listen on 127.0.0.1:{port} (Address already in use)")
        line = refusal(capsys, *model, "--port", "0", "--metrics-port", port)
        assert line.endswith("the setting is server.metrics_port, on the command line --metrics-port")
    line = refusal(capsys, *model, "--host", "no.such.host.invalid", "--port", "0")
    assert line.startswith("cannot listen on no.such.host.invalid:0")
    line = refusal(capsys, *model, "--host", "two..dots", "--port", "0")
    assert line.endswith(
        "(no such host); choose another host, the setting is server.host, on the command line --host"
    )
    monkeypatch.setenv("DRIFTLEAD_SERVER__METRICS_HOST", "x" * 64)
    assert refusal(capsys, *model, *FREE_PORTS).endswith("the setting is server.metrics_host")
    monkeypatch.delenv("DRIFTLEAD_SERVER__METRICS_HOST")
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert refusal(capsys, *model, *FREE_PORTS).startswith("WEB_CONCURRENCY must be 1 or unset, got '4'")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.mark.usefixtures("restored_logging")
def test_bad_models_end_with_one_line(tmp_path, trained_model_path, capsys):
    cut = tmp_path / "cut.pt"
    cut.write_bytes(trained_model_path.read_bytes()[:-1000])
    assert "cut.pt is truncated" in refusal(capsys, "--model", cut, *FREE_PORTS)
    process = start("--model", tmp_path / "no.pt", *FREE_PORTS)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (2, "")
    assert re.fullmatch(r"deployed_model: .*no\.pt not found: run `python train_model.py` first\n", errors)


def test_what_is_said_of_the_monitor_before_it_runs_is_in_the_log(tmp_path, trained_model_path):
    artefact, path = load(trained_model_path), tmp_path / "model.pt"
    tests = detector_specs(MonitorSettings())
    calibration = calibrate(artefact.profile, false_alarm_every=2e6, detectors=tests, joint_budget=False)
    save(path, replace(artefact, calibration=calibration))
    process = start("--model", path, *FREE_PORTS, DRIFTLEAD_STORAGE__FOLDER=str(tmp_path / "var"))
    try:
        said = log_until_serving(process)
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert [line["event"] for line in said] == ["thresholds are found anew", "serving"]
    assert said[0]["level"] == "info"
    assert "is for one false alarm per 2,000,000 rows" in said[0]["reason"]
    assert output == ""


def test_a_profile_of_another_model_is_refused(trained_model_path):

    artefact = load(trained_model_path)
    other = replace(artefact, profile=replace(artefact.profile, model_hash="0123456789ab"))
    with pytest.raises(ReferenceMismatchError, match="belongs to model 0123456789ab"):
        compose(other, UNKEPT)
    fewer = replace(artefact.profile, signals=artefact.profile.signals[::-1])
    with pytest.raises(ReferenceMismatchError, match="does not hold the model's signals"):
        compose(replace(artefact, profile=fewer), UNKEPT)


def test_extreme_but_finite_values_are_answered_in_full_or_refused(trained_model_path):
    service = compose(load(trained_model_path), UNKEPT)
    called = Service(service.app, service.monitor, service.registry)
    largest = float(torch.finfo(torch.float32).max)
    signs = np.random.default_rng(3).choice([-largest, largest], size=(20, 64)).tolist()
    codes = set()
    for row in [[largest, -largest] * 32, *signs]:
        extreme = {"name": "input", "shape": [1, 8, 8], "datatype": "FP32", "data": row}
        answer = called.infer({"inputs": [extreme]}, f"/v2/models/{service.predictor.name}/infer")
        codes.add(answer.status_code)
        if answer.status_code == 400:
            assert answer.json()["error"].startswith("inputs: row 0 (the first is 0) must be within")
        else:
            assert None not in answer.json()["outputs"][0]["data"]
    service.app.state.worker.close()
    assert codes == {200, 400}
