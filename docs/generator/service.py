"""The pages of HTTP routes and of metrics, asked of the service itself: an application that nobody calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from driftlead.exporters.prometheus import MonitorCollector
from driftlead.exporters.webhooks import NotifierCollector
from driftlead.monitor import MemoryStore, Monitor, MonitorSettings
from driftlead.reference import ReferenceProfile
from driftlead.service import ArrayPredictor, Translation, create_app, create_watch_app
from driftlead.service.openapi import describe
from driftlead.signals import classification_values
from driftlead.webhooks import Notifier

__all__ = ["http_page", "metrics_page"]

_NAMES: dict[str, Any] = {"model": "digits", "version": "1"}

_HTTP_HEAD = """# HTTP

Every route, from the service's own description, `GET /openapi.json`. [Serving](../serving.md) tells of
the protocol, [the page](../page.md) of what a browser gets. Routes that are not marked are those of
`driftlead serve` and `driftlead watch` alike.
"""

_METRICS_HEAD = """# Metrics

Every family on the metrics port, as a service says it. All have the labels `model` and `version`. Those
of the process (`process_cpu_seconds_total`, `process_resident_memory_bytes`, …) come with them. A
counter begins at 0 in every process. [Deploy](../deploy.md) says how they are scraped, [many
replicas](../replicas.md) which add up.
"""

_SERVE, _WATCH = "`driftlead serve` alone", "`driftlead watch` alone"


def http_page() -> str:
    """Return the page of all routes, in Markdown."""
    serving, watching = (
        describe(app)["paths"] for app in _applications(CollectorRegistry(), CollectorRegistry())
    )
    parts = [_HTTP_HEAD]
    for path in sorted({*serving, *watching}):
        only = _SERVE if path not in watching else _WATCH if path not in serving else ""
        operations = serving.get(path) or watching[path]
        parts += [
            _operation(path, method, told, only) for method, told in operations.items() if method != "head"
        ]
    return "\n\n".join(parts) + "\n"


def _operation(path: str, method: str, told: Mapping[str, Any], only: str) -> str:
    lines = [f"## {method.upper()} {path.replace(_NAMES['model'], '{model}')}", told["summary"] + "."]
    lines += [text for text in (told.get("description", ""), f"Of {only}." if only else "") if text]
    if "requestBody" in told:
        lines.append(f"**Body**: {', '.join(f'`{kind}`' for kind in told['requestBody']['content'])}.")
        lines += list(
            filter(
                None, (_fields(body.get("schema", {})) for body in told["requestBody"]["content"].values())
            )
        )[:1]
    if "parameters" in told:
        lines.append("| parameter | in | |\n|---|---|---|\n" + "\n".join(map(_parameter, told["parameters"])))
    answers = [
        f"| {code} | {answer['description'].replace('|', chr(92) + '|')} |"
        for code, answer in sorted(told["responses"].items())
    ]
    lines.append("| status | |\n|---|---|\n" + "\n".join(answers))
    return "\n\n".join(lines)


def _parameter(parameter: Mapping[str, Any]) -> str:
    kind = parameter.get("schema", {})
    text = (
        parameter.get("description") or kind.get("description") or ", ".join(map(str, kind.get("enum", [])))
    )
    return f"| `{parameter['name']}` | {parameter['in']} | {text} |"


def _fields(schema: Mapping[str, Any]) -> str:
    """Return the fields of an object as a table; nothing for what is none."""
    needed = schema.get("required", ())
    rows = [
        f"| `{name}` | {_kind(field)}{', needed' * (name in needed)} | {field.get('description', '')} |"
        for name, field in schema.get("properties", {}).items()
    ]
    return "| field | | |\n|---|---|---|\n" + "\n".join(rows) if rows else ""


def _kind(field: Mapping[str, Any]) -> str:
    kinds = field.get("type", [each.get("type") for each in field.get("anyOf", ()) or field.get("oneOf", ())])
    return " or ".join(filter(None, [kinds] if isinstance(kinds, str) else kinds))


def metrics_page() -> str:
    """Return the page of all metric families, in Markdown."""
    serving, watching = CollectorRegistry(), CollectorRegistry()
    _applications(serving, watching)
    known = {family.name for family in serving.collect()}
    rows = sorted([
        *_rows(serving.collect(), ""),
        *_rows((family for family in watching.collect() if family.name not in known), _WATCH),
    ])  # fmt: skip
    return (
        f"{_METRICS_HEAD}\n| family | type | further labels | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _rows(families: Iterable[Metric], only: str) -> Iterator[str]:
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        name = f"{name}_info" if family.type == "info" else name
        found = {label for sample in family.samples for label in sample.labels} - {"model", "version", "le"}
        text = " ".join(
            filter(None, [re.sub(r"\s+", " ", family.documentation), f"Of {only}." if only else ""])
        )
        labels = ", ".join(f"`{label}`" for label in sorted(found))
        yield f"| `{name}` | {family.type} | {labels} | {text} |"


def _applications(serving: CollectorRegistry, watching: CollectorRegistry) -> tuple[Any, Any]:
    """Return a service and one that watches; rows and labels went through, so every family has samples."""
    rng = np.random.default_rng(0)

    def model(rows: Any) -> Any:
        sure = 1 / (1 + np.exp(-rows[:, :1]))
        return np.hstack([1 - sure, sure])

    predictor = ArrayPredictor(model, [1], name=_NAMES["model"], version=_NAMES["version"])
    features = rng.normal(size=(500, 1))
    scores = model(features).astype(np.float32)
    classes = scores.argmax(axis=1)
    rows = np.hstack([features, classification_values(scores)])
    profile = ReferenceProfile.from_rows(predictor.signals, rows, model_hash="1")
    store = MemoryStore()
    monitor = Monitor(
        profile.with_quality(scores, classes, ["no", "yes"]), MonitorSettings(window=50), store=store
    )
    monitor.process(rows, ids=[str(row) for row in range(500)], scores=scores)
    monitor.feedback([str(row) for row in range(100)], [int(label) for label in classes[:100]])
    serving.register(MonitorCollector(monitor, **_NAMES))
    serving.register(NotifierCollector(Notifier(store, {}), **_NAMES))
    watched = create_watch_app(monitor, Translation(profile), registry=watching, **_NAMES)
    return create_app(predictor, monitor, registry=serving, class_names=["no", "yes"]), watched
