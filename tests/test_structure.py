"""The house rules that a machine can check."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = ("driftlead", "dataloader", "evaluation", "executor", "model", "utils")
MODULES = sorted(
    module.name
    for package in PACKAGES
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    if not module.name.endswith(".__main__")
)


def test_the_wheel_installs_driftlead_and_nothing_else(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT],
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
    exported = getattr(module, "__all__", ())
    assert len(exported) == len(set(exported)), "a name is exported twice"
    for each in exported:
        assert hasattr(module, each), f"{name}.__all__ names {each}, which does not exist"


def test_importing_the_core_does_not_import_extras():
    extras = ("torch", "fastapi", "prometheus_client", "pydantic", "sqlalchemy")
    code = (
        "import sys, driftlead.monitor, driftlead.checks;"
        f"print([name for name in {extras} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    assert answer.stdout.strip() == "[]"


def test_the_users_own_names_are_there():
    for folder in ("dataloader", "evaluation", "executor", "model", "utils"):
        assert (ROOT / folder / "__init__.py").is_file(), folder
    scripts = ("train_model.py", "deployed_model.py")
    for file in (*scripts, "requirements.txt", ".env.example", "configs/prometheus_rules.yaml"):
        assert (ROOT / file).is_file(), file
    for folder in ("configs", "notebooks", "ops"):
        assert any((ROOT / folder).iterdir()), folder
