import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from executor.demo.scenario import DemoSettings
from executor.settings import ServingSettings
from model.config import ModelSettings
from utils.environment import SECTIONS, SettingsError, load_settings

ROOT = Path(__file__).parents[2]


class Apple(BaseModel, extra="forbid"):
    kind: Literal["apple"] = "apple"
    cores: int = 1


class Pear(BaseModel, extra="forbid"):
    kind: Literal["pear"]
    stem: float


class Server(BaseModel, extra="forbid"):
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    timeout: float | None = 10.0
    tags: tuple[str, ...] = ()
    weights: dict[str, float] = {}


class Settings(BaseModel, extra="forbid"):
    server: Server = Server()
    fruit: Annotated[Apple | Pear, Field(discriminator="kind")] = Apple()


@pytest.fixture
def read(tmp_path):
    """Load settings from the text of a YAML file, variables, and the text of a ``.env`` file."""

    def load(text="", environ=None, env_text="", **more):
        path, env_file = tmp_path / "settings.yaml", tmp_path / ".env"
        path.write_text(text)
        env_file.write_text(env_text)
        return load_settings(Settings, path, environ=environ or {}, env_file=env_file, **more)

    return load


def test_later_sources_win(read):
    text = "server: {port: 1, host: yaml, timeout: 1}"
    env_text = "DRIFTLEAD_SERVER__PORT=2\nDRIFTLEAD_SERVER__HOST=file\n"
    environ = {"DRIFTLEAD_SERVER__PORT": "3"}
    server = read(text, environ, env_text).server
    assert (server.port, server.host, server.timeout, server.tags) == (3, "file", 1.0, ())
    overrides = {"server": {"port": 4, "host": None}}
    server = read(text, environ, env_text, overrides=overrides).server
    assert (server.port, server.host) == (4, "file")


def test_no_file_and_empty_sections_mean_defaults(read):
    assert load_settings(Settings, None, environ={}, env_file=None) == Settings()
    assert read("server:\n  # port: 9\n") == Settings()


def test_the_process_environment_and_dot_env_are_the_defaults(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("DRIFTLEAD_SERVER__PORT=5\nDRIFTLEAD_SERVER__HOST=file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTLEAD_SERVER__PORT", "6")
    server = load_settings(Settings, None).server
    assert (server.port, server.host) == (6, "file")


@pytest.mark.parametrize(
    ("name", "text", "get", "value"),
    [
        ("SERVER__HOST", "0123", lambda s: s.server.host, "0123"),
        ("SERVER__TIMEOUT", "null", lambda s: s.server.timeout, None),
        ("SERVER__TIMEOUT", "1e-3", lambda s: s.server.timeout, 0.001),
        ("SERVER__TAGS", "[a, b]", lambda s: s.server.tags, ("a", "b")),
        ("SERVER__WEIGHTS__LEFT", "2", lambda s: s.server.weights, {"left": 2.0}),
        ("FRUIT", "{kind: pear, stem: 2}", lambda s: s.fruit.stem, 2.0),
        ("FRUIT__CORES", "7", lambda s: s.fruit.cores, 7),
    ],
)
def test_variables_of_every_type(read, name, text, get, value):
    assert get(read("fruit: {kind: apple}", {f"DRIFTLEAD_{name}": text})) == value


class Keys(BaseModel, extra="forbid"):
    api_key: Annotated[str, Field(min_length=8)] | None = None
    folder: Path | None = None


class Guarded(BaseModel, extra="forbid"):
    server: Keys = Keys()


def guarded(**variables):
    environ = {f"DRIFTLEAD_SERVER__{name}": text for name, text in variables.items()}
    return load_settings(Guarded, None, environ=environ, env_file=None).server


@pytest.mark.parametrize("text", ["part1 #part2xyz", "1234567890123456", "{a: b} yes", "2026-13-45"])
def test_text_is_taken_to_the_letter(text):
    assert guarded(API_KEY=text).api_key == text
    assert guarded(FOLDER=text).folder == Path(text)
    assert guarded(API_KEY=f"'{text}'").api_key == text, "quotes that no shell took away"
    assert guarded(API_KEY="null").api_key is None
    assert guarded(API_KEY="~").api_key is None


def test_an_empty_key_is_not_taken_for_none():
    with pytest.raises(SettingsError, match=r"^DRIFTLEAD_SERVER__API_KEY is empty: leave it out, or "):
        guarded(API_KEY="")


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("server: {api_key: T0p}", {}),
        ("server: {api_key: [T0p]}", {}),
        ("server: {api_key: *T0p}", {}),
        ("server: {api_key: !T0p x}", {}),
        ("server: {api_key: !!int T0p}", {}),
        ("server: [{api_key: T0p}]", {}),
        ("storage: {url: [postgresql://user:T0p@h/n]}", {}),
        ("webhooks: {name: a, url: 'https://u:T0p@h.example/', secret: T0p}", {}),
        ("webhooks: [[{secret: T0p}]]", {}),
        ("webhooks: [{name: a, url: 'https://h.example/', secret: T0p}]", {}),
        ("", {"SERVER__API_KEY": "T0p"}),
        ("", {"WEBHOOKS": "[{name: a, url: https://u:T0p@h/, secret: T0p"}),
        ("", {"WEBHOOKS": "{name: a, secret: T0p}"}),
    ],
)
def test_what_is_secret_is_not_shown(tmp_path, text, environ):
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    variables = {f"DRIFTLEAD_{name}": value for name, value in environ.items()}
    with pytest.raises(SettingsError) as refused:
        load_settings(ServingSettings, path, environ=variables, env_file=None)
    assert "T0p" not in str(refused.value)


def test_a_rule_of_the_library_names_the_variable():
    environ = {"DRIFTLEAD_LIMITS__MAX_ROWS": "0"}
    with pytest.raises(SettingsError, match=r"^DRIFTLEAD_LIMITS__MAX_ROWS \(limits.max_rows\) must be .* 0$"):
        load_settings(ServingSettings, None, environ=environ, env_file=None)
    with pytest.raises(SettingsError, match=r"^monitor: window must be at least 2, got 1$"):
        load_settings(ServingSettings, None, environ={}, overrides={"monitor": {"window": 1}}, env_file=None)


def test_what_belongs_to_others_is_left_alone(read):
    env_text = "GF_SECURITY_ADMIN_PASSWORD=x\nCOMPOSE_FILE=y\nDRIFTLEAD_TRAINING__EPOCHS=3\n"
    assert read("", {"PATH": "/bin", "DRIFTLEAD_REQUIRE_SERVERS": "1"}, env_text) == Settings()


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("servr: {port: 1}", {}, "unknown key servr: did you mean server?"),
        ("server: {prot: 1}", {}, "unknown key server.prot: did you mean server.port?"),
        ("fruit: {kind: pear, stem: 1, stm: 2}", {}, "unknown key fruit.stm: did you mean fruit.stem?"),
        ("zzz: 1", {}, "unknown key zzz"),
        ("server: {port: 0}", {}, "server.port must be greater than or equal to 1, got 0"),
        ("server: {tags: [a, {}]}", {}, "server.tags.1 must be a valid string, got a mapping"),
        ("fruit: {kind: plum}", {}, "fruit.kind must be one of 'apple', 'pear', got 'plum'"),
        ("fruit: {kind: pear}", {}, "fruit.stem is missing"),
        ("fruit: {stem: 1}", {}, "fruit.kind is missing"),
        ("fruit: {kind: pear, stem: x}", {}, "fruit.stem must be a number, got 'x'"),
        ("server: 3", {}, "server must be a valid dictionary .*, got 3"),
        ("[1]", {}, "must hold `key: value` lines, got a list"),
        ("server:\n  port: 1\n  port: 2", {}, "line 3: not valid YAML: key port is written twice"),
        ("server: {port: 1", {}, "line 1: not valid YAML: .*"),
        (
            "",
            {"SERVER__PORT": "x"},
            r"DRIFTLEAD_SERVER__PORT \(server.port\) must be a whole number, got 'x'",
        ),
        ("", {"SERVER__TAGS": "[a"}, "DRIFTLEAD_SERVER__TAGS is not valid YAML$"),
        (
            "",
            {"SERVER__PROT": "1"},
            "DRIFTLEAD_SERVER__PROT is no setting: did you mean DRIFTLEAD_SERVER__PORT?",
        ),
        (
            "",
            {"SERVR__PORT": "1"},
            "DRIFTLEAD_SERVR__PORT is no setting: did you mean DRIFTLEAD_SERVER__PORT?",
        ),
        ("", {"TRAINNG__EPOCHS": "1"}, "did you mean DRIFTLEAD_TRAINING__EPOCHS?"),
        ("", {"SERVER__PORT__X": "1"}, "nothing lies below DRIFTLEAD_SERVER__PORT__X"),
        ("", {"FRUIT__QQQ": "1"}, "DRIFTLEAD_FRUIT__QQQ is no setting: known there: cores, kind, stem"),
        (
            "",
            {"SERVER_PORT": "1"},
            "DRIFTLEAD_SERVER_PORT is no setting: did you mean DRIFTLEAD_SERVER__PORT?",
        ),
        ("", {"TIMEOUT": "1"}, "DRIFTLEAD_TIMEOUT is no setting: did you mean DRIFTLEAD_SERVER__TIMEOUT?"),
        ("", {"SERVER__TIMEOUT": "2026-13-45"}, "DRIFTLEAD_SERVER__TIMEOUT is not valid YAML: ValueError"),
        ("", {"SERVER__PORT": "!!int abc"}, "DRIFTLEAD_SERVER__PORT is not valid YAML: ValueError"),
        ("", {"SERVER__PORT": "1:" * 200 + "1.0"}, "DRIFTLEAD_SERVER__PORT is not valid YAML: OverflowError"),
        ("", {"SERVER__PORT": "9" * 5_000}, "DRIFTLEAD_SERVER__PORT is not valid YAML"),
        ("", {"SERVER__TAGS": "[" * 10_000}, "DRIFTLEAD_SERVER__TAGS is not valid YAML: RecursionError"),
        ("server: 2026-13-01", {}, "not valid YAML: ValueError"),
        ("server: !!bool x", {}, "not valid YAML: KeyError"),
        ("server: !!timestamp x", {}, "not valid YAML: "),
        ("", {"QQQ": "1"}, "DRIFTLEAD_QQQ is no setting: known there: "),
    ],
)
def test_a_mistake_is_named_in_one_line(read, text, environ, message):
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")) as caught:
        read(text, {f"DRIFTLEAD_{name}": value for name, value in environ.items()})
    assert "\n" not in str(caught.value)
    assert "settings.yaml" in str(caught.value) or "DRIFTLEAD_" in str(caught.value)


def test_a_flag_is_not_blamed_on_the_file(read):
    with pytest.raises(SettingsError, match=r"^server\.port must be"):
        read("server: {port: 1}", overrides={"server": {"port": 70_000}})


def test_every_mistake_is_reported_at_once(read):
    with pytest.raises(SettingsError, match=r"unknown key a.*; .*unknown key b"):
        read("{a: 1, b: 2}")


def test_unreadable_files(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.yaml not found$"):
        load_settings(Settings, tmp_path / "none.yaml", environ={}, env_file=None)
    with pytest.raises(SettingsError, match=f"none.yaml not found in {re.escape(str(Path.cwd()))}$"):
        load_settings(Settings, "none.yaml", environ={}, env_file=None)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(Settings, tmp_path, environ={}, env_file=None)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(SettingsError, match="not a text file in UTF-8"):
        load_settings(Settings, tmp_path / "binary.yaml", environ={}, env_file=None)


FILES = {"model.yaml": ModelSettings, "monitor.yaml": ServingSettings, "demo.yaml": DemoSettings}


@pytest.mark.parametrize(("name", "settings_class"), FILES.items())
def test_known_sections_are_those_of_the_settings_classes(name, settings_class):
    assert SECTIONS[name] == set(settings_class.model_fields)


@pytest.mark.parametrize(("name", "settings_class"), FILES.items())
def test_shipped_files_are_valid(name, settings_class):
    load_settings(settings_class, ROOT / "configs" / name, environ={}, env_file=None)


def test_every_line_of_the_example_is_a_setting(tmp_path):
    lines = (ROOT / ".env.example").read_text().splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# DRIFTLEAD_") and "=" in line]
    assert len(examples) > 10
    env_file = tmp_path / ".env"
    env_file.write_text("\n".join(examples))
    model, serving, demo = (
        load_settings(kind, None, environ={}, env_file=env_file)
        for kind in (ModelSettings, ServingSettings, DemoSettings)
    )
    assert model.output == Path("model.pt")
    assert serving.server.port == 8000
    assert demo.demo.drift.kind == "blur"


def test_the_shipped_model_file_states_the_defaults():
    shipped = load_settings(ModelSettings, ROOT / "configs/model.yaml", environ={}, env_file=None)
    assert shipped == ModelSettings()


def test_the_examples_in_the_model_file_are_valid():
    text = (ROOT / "configs/model.yaml").read_text()
    examples = re.findall(r"^# data:\n(?:#   .*\n)+", text, flags=re.MULTILINE)
    assert len(examples) == 2
    for example in examples:
        ModelSettings.model_validate(yaml.safe_load(re.sub(r"^# ", "", example, flags=re.MULTILINE)))


def test_yaml_nested_too_deeply_is_one_line(tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text("a: " + "[" * 5_000 + "]" * 5_000)
    with pytest.raises(SettingsError, match=r"deep\.yaml: not valid YAML: nested too deeply"):
        load_settings(ModelSettings, path, environ={}, env_file=None)
