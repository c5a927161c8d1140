"""Every line of .env.example is a setting that some settings class takes."""

from pathlib import Path

from executor.demo.scenario import DemoSettings
from executor.settings import ServingSettings
from model.config import ModelSettings
from utils.environment import load_settings

ROOT = Path(__file__).resolve().parents[2]


def test_all_lines_load_once_they_are_taken_out_of_comment(tmp_path):
    lines = (ROOT / ".env.example").read_text().splitlines()
    settings = [line.removeprefix("# ") for line in lines if line.startswith("# DRIFTLEAD_") and "=" in line]
    assert len(settings) > 10
    env_file = tmp_path / ".env"
    env_file.write_text("\n".join(settings))
    read = [
        load_settings(kind, None, environ={}, env_file=env_file) for kind in (DemoSettings, ServingSettings)
    ]
    assert read[0].demo.drift.kind == "blur"
    assert read[1].server.port == 8000
    assert load_settings(ModelSettings, None, environ={}, env_file=env_file).output == Path("model.pt")
