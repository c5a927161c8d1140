"""The house rules that a machine can check."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import driftlead

ROOT = Path(__file__).parents[1]

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(driftlead.__path__, "driftlead.")
    if not module.name.rpartition(".")[2].startswith("__")
)


def test_the_wheel_installs_driftlead_and_nothing_else(tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            tmp_path,
            ROOT,
        ],
        check=True,
        timeout=120,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"driftlead"}
    assert "driftlead/py.typed" in zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize("name", MODULES)
def test_modules_export_what_they_say(name):
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert list(exported) == sorted(set(exported), key=exported.index), "a name is exported twice"
    for each in exported:
        assert hasattr(module, each), f"{name}.__all__ names {each}, which does not exist"


def test_importing_the_core_does_not_import_extras():
    extras = ("torch", "fastapi", "prometheus_client", "pydantic")
    code = (
        "import sys, driftlead.monitor, driftlead.checks;"
        f"print([name for name in {extras} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert answer.stdout.strip() == "[]"


def test_the_users_own_names_are_there():
    for folder in ("configs", "dataloader", "evaluation", "executor", "model", "utils"):
        assert any((ROOT / folder).iterdir()), folder
    for file in ("train_model.py", "deployed_model.py", "requirements.txt", ".env.example"):
        assert (ROOT / file).is_file(), file


def test_configuration_files_are_yaml():
    for path in (ROOT / "configs").glob("*.y*ml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict), path.name
