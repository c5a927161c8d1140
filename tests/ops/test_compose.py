"""docker-compose accepts the stack as .env.example describes it, and the stack is as closed as it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from executor.demo.scenario import DemoSettings
from executor.settings import ServingSettings
from tests.ops.conftest import ROOT
from tests.programs import require_program
from tests.prometheus.test_rules import promtool
from utils.environment import load_settings

COMPOSE = ROOT / "ops/docker-compose.yml"
STACK: dict[str, dict] = yaml.safe_load(COMPOSE.read_text())["services"]
OF_THE_IMAGE = {
    *(f"DRIFTLEAD_SERVER__{name}" for name in ("HOST", "PORT", "METRICS_HOST", "METRICS_PORT")),
    "DRIFTLEAD_STORAGE__FOLDER",
}


@pytest.fixture
def project(tmp_path) -> Path:
    """A project directory right after ``cp .env.example .env``."""
    for folder in ("ops", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    return tmp_path


def docker_compose(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ours = ("COMPOSE_", "DRIFTLEAD_", "GRAFANA_", "TORCH_")
    return subprocess.run(
        [require_program("docker-compose"), *arguments],
        cwd=project,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.server
def test_nothing_starts_without_a_password(project):
    refused = docker_compose(project, "config")
    assert refused.returncode != 0
    assert "set GRAFANA_ADMIN_PASSWORD in .env" in refused.stderr


@pytest.mark.server
def test_docker_compose_accepts_the_stack(project):
    env_file = project / ".env"
    text = env_file.read_text()
    assert "\nGRAFANA_ADMIN_PASSWORD=\n" in text
    env_file.write_text(
        text.replace("GRAFANA_ADMIN_PASSWORD=", "GRAFANA_ADMIN_PASSWORD=of-the-test")
        + "DRIFTLEAD_MONITOR__WINDOW=99\n"
    )
    accepted = docker_compose(project, "--profile", "demo", "config")
    assert accepted.returncode == 0, accepted.stderr
    resolved = yaml.safe_load(accepted.stdout)
    services = resolved["services"]
    assert set(services) == {"driftlead", "prometheus", "alertmanager", "grafana", "demo"}
    assert services["driftlead"]["environment"]["DRIFTLEAD_MONITOR__WINDOW"] == "99"
    holders = [name for name, each in services.items() if "of-the-test" in str(each)]
    assert holders == ["grafana"]


def test_only_the_demo_waits_for_its_profile():
    assert {name for name, service in STACK.items() if "profiles" in service} == {"demo"}


@pytest.mark.parametrize(("name", "service"), STACK.items())
def test_services_are_closed(name, service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    for port in service.get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    if "build" not in service:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])


def test_what_is_mounted_exists_and_only_volumes_are_written():
    volumes = yaml.safe_load(COMPOSE.read_text())["volumes"]
    for name, service in STACK.items():
        for mount in service["volumes"]:
            source, _, *mode = mount.split(":")
            if source.startswith("."):
                assert (COMPOSE.parent / source).exists(), f"{name}: {source}"
                assert mode == ["ro"]
            else:
                assert source in volumes


def test_state_is_kept_where_the_image_writes_it():
    dockerfile = (ROOT / "ops/Dockerfile").read_text()
    assert set(re.findall(r"\b(DRIFTLEAD_\w+)=\S+\s", dockerfile.rsplit("\nFROM ")[-1])) == OF_THE_IMAGE
    (folder,) = re.findall(r"DRIFTLEAD_STORAGE__FOLDER=(\S+)", dockerfile)
    assert f"VOLUME {folder}\n" in dockerfile
    assert f"driftlead:{folder}" in STACK["driftlead"]["volumes"]


def test_everything_waits_for_what_it_needs_to_be_healthy():
    image_has_check = "\nHEALTHCHECK " in (ROOT / "ops/Dockerfile").read_text()
    for service in STACK.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in STACK[needed] or ("build" in STACK[needed] and image_has_check)
    assert set(STACK["prometheus"]["depends_on"]) == {"driftlead", "alertmanager"}
    assert set(STACK["grafana"]["depends_on"]) == {"prometheus"}


def names(settings: type[BaseModel], prefix: str = "DRIFTLEAD_") -> Iterator[str]:
    """Name the variables of a settings class."""
    for key, field in settings.model_fields.items():
        name = f"{prefix}{key.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from names(field.annotation, f"{name}__")
        else:
            yield name


def test_every_setting_reaches_the_service():
    serving = set(names(ServingSettings)) - OF_THE_IMAGE
    assert set(STACK["driftlead"]["environment"]) == serving, "x-settings in ops/docker-compose.yml"
    assert set(STACK["demo"]["environment"]) == serving | set(names(DemoSettings))


def test_the_application_reads_the_same_env_file(project):
    assert load_settings(ServingSettings, None, environ={}, env_file=project / ".env") == ServingSettings()


def test_prometheus_is_that_of_the_host_at_other_addresses():
    inside = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())
    host = yaml.safe_load((ROOT / "configs/prometheus.yml").read_text())
    assert inside["global"] == host["global"]
    assert inside["rule_files"] == host["rule_files"]
    (job,), (host_job,) = inside["scrape_configs"], host["scrape_configs"]
    targets = [
        *job.pop("static_configs")[0]["targets"],
        *inside["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"],
    ]
    assert targets == ["driftlead:8001", "alertmanager:9093"]
    assert job.pop("dns_sd_configs")[0]["names"] == ["demo"]
    assert {target.split(":")[0] for target in targets} | {"demo"} < set(STACK)
    host_job.pop("static_configs")
    assert job == host_job


@pytest.mark.server
def test_prometheus_accepts_its_configuration(tmp_path):
    shutil.copy(ROOT / "ops/prometheus/prometheus.yml", tmp_path)
    for name in yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())["rule_files"]:
        assert f"../configs/{name}:/etc/prometheus/{name}:ro" in STACK["prometheus"]["volumes"]
        shutil.copy(ROOT / "configs" / name, tmp_path)
    promtool("check", "config", str(tmp_path / "prometheus.yml"))
