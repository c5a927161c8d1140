"""Every command as its user meets it: help that teaches, exit codes, no noise."""

from __future__ import annotations

import importlib
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.main import get_command

from driftlead.cli import app
from tests.cli.conftest import PORTS, start
from tests.programs import log_until_serving

COMMANDS = ("replay", "profile", "calibrate", "serve", "watch", "report", "bench")

FULL = Path("/dev/full")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"driftlead {command}" in result.stdout.partition("Examples")[2]


def test_help_lists_the_commands_and_imports_little(run):
    listed = run("--help").stdout
    for command in COMMANDS:
        assert f" {command} " in listed
    assert "--install-completion" in listed
    assert run("--version").stdout.startswith("driftlead ")
    assert "(1,000,000)" in run("calibrate", "--help").stdout
    code = (
        "import sys, driftlead.cli;"
        "print([name for name in ('numba', 'fastapi', 'torch') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert answer.stdout.strip() == "[]"


def test_a_wrong_option_is_refused(run):
    assert run("replay", "--nonsense").exit_code == 2
    assert "'--shown'" in run("calibrate", "a.csv", "--shown", 0).stderr
    assert "'--wait'" in run("watch", "-r", "a.state", "--model", "m", "--wait", -1).stderr
    assert run("nonsense").exit_code == 2


@pytest.mark.parametrize("command", ["replay", "profile", "model", "calibrate"])
def test_progress_has_an_end(run, recorded, tmp_path, monkeypatch, command):
    (tmp_path / "adding.py").write_text("def score(rows): return rows.sum(axis=1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    reference, told = recorded["reference"], []
    name, *arguments = {
        "replay": ("replay", recorded["clean"], "-r", reference),
        "profile": ("profile", reference, "-o", tmp_path / "r.state"),
        "model": (
            "profile",
            reference,
            "--columns",
            "a,b",
            "--model",
            "adding:score",
            "-o",
            tmp_path / "r.state",
        ),
        "calibrate": ("calibrate", reference, "--columns", "city"),
    }[command]
    module = importlib.import_module(f"driftlead.cli.{name}")
    monkeypatch.setattr(module, "progress_bar", lambda: nullcontext(lambda *each: told.append(each)))
    assert run(name, *arguments).exit_code == 0
    assert told
    assert all(0 <= done <= total for _, done, total in told)


def test_bench_times_every_detector(run):
    result = run("bench", "--signals", 3, "--batch", 50, "--window", 50, "--seconds", 0.05)
    assert result.exit_code == 0
    for name in ("page_hinkley", "incremental_ks", "nmddm"):
        assert name in result.stdout


def test_colours_are_for_terminals_that_want_them(recorded):
    arguments = ("replay", recorded["clean"], "-r", recorded["reference"], "--window", 100)
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        controller, terminal = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", **variables}
        environment.pop("NO_COLOR" if coloured else "", None)
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        code = "from driftlead.cli import app; app()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], stdout=terminal, env=environment
        )
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(controller, 4096):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        os.close(controller)
        assert process.wait(60) == 0
        assert b"No drift." in shown
        assert (b"\x1b[1;32m" in shown) == coloured


def test_ctrl_c_ends_without_noise(recorded):
    process = start("bench", "--seconds", 60)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")


def test_a_reader_that_leaves_is_no_error(recorded):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(
        "replay", recorded["drifted"], "-r", recorded["reference"], "--window", 100, stdout=writer
    )
    os.close(writer)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (141, "")


@pytest.mark.parametrize("arguments", [("--help",), ("replay", "--help"), ("--version",), ()])
def test_help_that_nobody_reads_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*arguments, stdout=writer)
    os.close(writer)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (141, "")


@pytest.mark.parametrize("command", ["serve", "watch"])
@pytest.mark.parametrize("variable", ["DRIFTLEAD_API_KEY", "DRIFTLEAD_SERVER__API_KEY"])
def test_a_key_by_the_name_of_either_service_is_asked_for(command, variable, monkeypatch):
    monkeypatch.setenv(variable, "a key that is long")
    model = ["m:p"] if command == "serve" else ["--model", "m"]
    context = get_command(app).commands[command].make_context(command, [*model, "-r", "reference.state"])
    assert context.params["api_key"] == "a key that is long"


def test_output_that_was_closed_beforehand_is_no_error(recorded):
    words = ["replay", recorded["clean"], "-r", recorded["reference"], "--window", 100]
    process = start(*words, preexec_fn=lambda: os.close(1), stdout=None)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(not FULL.exists(), reason="no full disk is at hand")
@pytest.mark.parametrize("arguments", [("--help",), ("replay", "--help"), ("--version",), ()])
def test_a_full_disk_is_told_in_one_line(arguments):
    with FULL.open("w") as full:
        process = start(*arguments, stdout=full)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (2, "driftlead: No space left on device\n")


@pytest.mark.usefixtures("restored_logging")
def test_what_is_given_wrongly_is_told_in_one_line_with_the_option(run, recorded, tmp_path, monkeypatch):
    (tmp_path / "bad.pt").write_text("no model")
    (tmp_path / "of_sums.py").write_text("def score(rows): return rows.sum(axis=1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    profile = tmp_path / "reference.state"
    assert run("profile", recorded["reference"], "--columns", "a,b", "-o", profile).exit_code == 0
    served = ("serve", "of_sums:score", "-r", profile, *PORTS)
    for command, complaint in (
        (
            ("watch", "-r", recorded["reference"], "--model", "m"),
            "must be a profile (driftlead profile",
        ),
        (
            ("report", "http://127.0.0.1:9", "-o", tmp_path / "r.pdf"),
            "--format must be one of html",
        ),
        (("report", "http://127.0.0.1:9", "-o", tmp_path / "r.md"), "refused): start the service"),
        ((*served, "--name", "a/b"), "--name must be a part of an address"),
        ((*served, "--api-key", ""), "--api-key must be plain ASCII"),
        ((*served, "--host", "192.0.2.1"), "the setting is --host"),
        (("serve", tmp_path / "bad.pt", "-r", profile), "reading zip archive: not a ZIP archive\n"),
    ):
        refused = run(*command)
        assert refused.exit_code == 2
        assert complaint in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_what_a_service_says_before_it_serves_is_in_the_log(run, recorded, tmp_path, monkeypatch):
    (tmp_path / "of_sums.py").write_text("def score(rows): return rows.sum(axis=1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    profile, folder = tmp_path / "reference.state", tmp_path / "kept"
    folder.mkdir()
    (folder / "driftlead.db").write_text("no database, and long enough to be taken for one" * 100)
    run("profile", recorded["reference"], "--columns", "a,b", "-o", profile)
    process = start("serve", "of_sums:score", "-r", profile, "--folder", folder, *PORTS)
    try:
        said = log_until_serving(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert "file is not a database; set aside" in said[0]["event"]
    assert [line["level"] for line in said] == ["warning", "info"]
