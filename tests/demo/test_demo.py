"""The whole demo as its users start it: a real service, real HTTP, a verdict, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from executor.demo.cli import app
from tests.demo.test_service_process import is_running, wait_for
from tests.programs import free_port

ROOT = Path(__file__).resolve().parents[2]

SHORT = {
    "traffic": {
        "clean_rows": 1_000,
        "drifted_rows": 1_200,
        "rows_per_second": 2_000,
        "rows_per_request": 16,
        "rows_per_second_after": 100,
    },
    "drift": {"kind": "sensor_noise", "strength": 0.8},
}
# A tenth of a pixel out of focus is less than a pixel can show: rows stay as they are.
UNCHANGED = {
    "traffic": SHORT["traffic"] | {"clean_rows": 100, "drifted_rows": 100},
    "drift": {"kind": "blur", "strength": 0.05},
}


@pytest.fixture
def flags(tmp_path, monkeypatch, trained_model_path):
    """Write a scenario and return the flags that play it, in an empty folder: no ``.env`` of a developer."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DRIFTLEAD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    monkeypatch.setenv("DRIFTLEAD_SERVER__PORT", str(free_port()))
    monkeypatch.setenv("DRIFTLEAD_SERVER__METRICS_PORT", str(free_port()))

    def write(scenario: dict, model: Path = trained_model_path) -> list[str]:
        path = tmp_path / "demo.yaml"
        path.write_text(yaml.safe_dump({"demo": scenario}))
        config = ROOT / "configs" / "monitor.yaml"
        return ["--scenario", str(path), "--model", str(model), "--config", str(config)]

    return write


@pytest.fixture
def demo(tmp_path, flags):
    """Start the demo as a process of its own, which can be sent signals."""
    started = []

    def start(scenario: dict, *more: str) -> subprocess.Popen:
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "executor.demo", *flags(scenario), *more],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def service_of(process: subprocess.Popen) -> int | None:
    """Process id of the demo's only child, once it is there."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None


def said(tmp_path: Path, name: str) -> str:
    return (tmp_path / name).read_text()


def wait_for_words(process: subprocess.Popen, tmp_path: Path, words: str) -> None:
    wait_for(lambda: words in said(tmp_path, "out") or process.poll() is not None, seconds=90)
    assert words in said(tmp_path, "out"), said(tmp_path, "err")
    assert process.poll() is None


def exit_code(arguments: list[str]) -> int:
    """Run the demo in this process."""
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    return ended.value.code


def test_a_short_scenario_passes_and_leaves_its_summary(flags, tmp_path, capsys):
    code = exit_code([*flags(SHORT), "--until-done", "--seed", "4"])
    shown, complaint = capsys.readouterr()
    assert (code, complaint) == (0, ""), shown
    assert "/metrics" in shown
    assert "passed: no alarm before the change" in shown
    summary = json.loads(said(tmp_path, "demo_summary.json"))
    assert summary["passed"]
    assert summary["seed"] == 4
    assert summary["change_row"] == 1_000
    assert summary["rows"] == {"clean": 1_000, "drifted": 1_200, "monitored": 2_200, "dropped": 0}
    assert summary["accuracy"]["before"] > 0.9 > summary["accuracy"]["after"]
    assert {d["detector"] for d in summary["detectors"]} == {"page_hinkley", "incremental_ks", "nmddm"}
    assert all(d["alarms_before"] == 0 and d["delay_rows"] > 0 for d in summary["detectors"])


@pytest.mark.skipif(sys.platform != "linux", reason="children are listed in /proc")
def test_a_drift_too_weak_to_see_fails_with_the_names_and_stays_up_until_ctrl_c(demo, tmp_path):
    process = demo(UNCHANGED)
    wait_for_words(process, tmp_path, "until Ctrl-C")
    service = service_of(process)
    assert is_running(service)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert not is_running(service)
    shown = said(tmp_path, "out")
    assert said(tmp_path, "err") == ""
    assert "failed: page_hinkley did not alarm" in shown
    assert shown.splitlines()[-1] == "stopping the service ..."


@pytest.mark.skipif(sys.platform != "linux", reason="children are listed in /proc")
def test_being_told_to_end_during_the_scenario_gives_no_verdict_and_leaves_no_process(demo, tmp_path):
    slow = SHORT | {"traffic": {"clean_rows": 1_000, "drifted_rows": 1_000, "rows_per_second": 50}}
    process = demo(slow, "--until-done")
    wait_for_words(process, tmp_path, "rows/s")
    service = service_of(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert not is_running(service)
    assert said(tmp_path, "err") == ""
    assert "no verdict" in said(tmp_path, "out")
    assert not (tmp_path / "demo_summary.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="children are listed in /proc")
def test_a_service_that_dies_is_said_with_the_end_of_its_log(demo, tmp_path):
    process = demo(UNCHANGED)
    wait_for_words(process, tmp_path, "until Ctrl-C")
    os.kill(service_of(process), signal.SIGKILL)
    assert process.wait(timeout=20) == 2
    complaint = said(tmp_path, "err")
    assert "the service was ended by SIGKILL; its log var/demo/service.log" in complaint
    assert "Traceback" not in complaint


def test_no_model_is_one_line(flags, tmp_path, capsys):
    assert exit_code(flags(SHORT, model=tmp_path / "model.pt")) == 2
    complaint = capsys.readouterr().err
    assert len(complaint.splitlines()) == 1
    assert "model.pt" in complaint
    assert "train_model.py" in complaint
