"""The routes of the page: its files, and what it shows as JSON, which anyone may read too."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from driftlead import figures
from driftlead.errors import InvalidParameterError, StorageError
from driftlead.monitor import Episode, Monitor
from driftlead.monitor.documents import history_document, overview_document, signal_document
from driftlead.report import Format
from driftlead.service.answers import SECURITY_HEADERS
from driftlead.service.errors import RequestError, quote_value
from driftlead.service.openapi import reading
from driftlead.service.page.files import PageFile, page_file, plotly_file, plotly_version
from driftlead.service.page.tagged import tagged, tagged_json

__all__ = ["add_page_routes"]

_NO_STORE, _RETRY = "the store of episodes does not answer now", {"Retry-After": "5"}
_REPORT_TYPES: dict[Format, str] = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
}
_FOR_A_YEAR = "public, max-age=31536000, immutable"

# Plotly makes a style element without content, and fills it by script, which the hash of nothing allows.
_PAGE_HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_OBJECT, _OBJECTS = {"type": "object"}, {"type": "array", "items": {"type": "object"}}
_TEXT, _NUMBERS = {"type": "string"}, {"type": "array", "items": {"type": "number"}}
_BROKEN_RULE = {400: "A parameter breaks its rule."}
_OVERVIEW = reading(
    "The present; without a monitor only what is served.",
    {"model": _TEXT, "version": _TEXT, "watched": {"type": "boolean"}, "started_at": {"type": "number"}},
)
_HISTORY = reading(
    "Samples, oldest first, coarser with their age.", {"series": _OBJECTS, "quality": _OBJECT}, _BROKEN_RULE
)
_SIGNAL = reading(
    "The signal.",
    {"signal": _TEXT, "kind": _TEXT, "statistics": _OBJECTS, "end": _NUMBERS, "percent": _OBJECT},
    {**_BROKEN_RULE, 404: "No such signal."},
)
_QUALITY = reading("Quality, now and over time.", {"labels": _OBJECT, "quality": _OBJECT}, _BROKEN_RULE)
_EPISODE = reading(
    "The episode.",
    {"id": _TEXT, "status": _TEXT, "signals": _OBJECTS},
    {**_BROKEN_RULE, 404: "No such episode.", 503: "The store does not answer; see Retry-After."},
)
_REPORT: dict[str, Any] = reading(
    "The report.",
    {"overview": _OBJECT, "episodes": _OBJECTS, "history": _OBJECT, "signals": _OBJECTS},
    {**_BROKEN_RULE, 501: "Plotly is not installed.", 503: "The store does not answer; see Retry-After."},
)
_REPORT["openapi_extra"]["responses"]["200"]["content"] |= {
    media_type.split(";")[0]: {"schema": _TEXT}
    for media_type in _REPORT_TYPES.values()
    if not media_type.endswith("json")
}

ThemeQuery = Annotated[
    figures.Theme | None, Query(description="With it the answer holds `figures` too, as Plotly draws them.")
]


def add_page_routes(
    app: FastAPI, monitor: Monitor | None, *, model: str, version: str, needs_key: bool = False
) -> None:
    """Add the page at ``/``, for clients that ask for HTML, and what it is drawn from.

    Before other routes at ``/``: those answer the clients that do not.

    Parameters
    ----------
    app : FastAPI
    monitor : Monitor or None
        What watches the model; without one the page says so.
    model, version : str
        What is watched.
    needs_key : bool
        Whether what changes state asks for the service's API key.
    """
    _add_files(app)
    served = {
        "model": model,
        "version": version,
        "watched": monitor is not None,
        "needs_key": needs_key,
        "started_at": time.time(),
        "plotly": plotly_version(),
    }

    # None of these is a coroutine: each waits for the monitor's worker, and must not make requests wait too.
    @app.get(
        "/api/v1/overview",
        summary="The present at a glance: drift, quality, health of monitoring",
        **_OVERVIEW,
    )
    def overview(request: Request) -> Response:
        known = {} if monitor is None else overview_document(monitor.snapshot())
        return tagged_json(request, {**served, **known})

    if monitor is not None:
        _add_documents(app, monitor, served)


def _add_documents(app: FastAPI, monitor: Monitor, served: Mapping[str, Any]) -> None:
    @app.get(
        "/api/v1/history",
        summary="The past: statistics against thresholds, and quality, over time",
        **_HISTORY,
    )
    def history(
        request: Request,
        after: Annotated[
            float, Query(allow_inf_nan=False, description="Only what was later; seconds since the epoch.")
        ] = 0.0,
    ) -> Response:
        return tagged_json(request, history_document(monitor.history(), after))

    @app.get("/api/v1/signal", summary="All about one signal: statistics, distribution, changes", **_SIGNAL)
    def signal(
        request: Request, name: Annotated[str, Query(min_length=1)], theme: ThemeQuery = None
    ) -> Response:
        snapshot = monitor.snapshot()
        served = name in {each.name for each in snapshot.signals}
        try:
            document = signal_document(
                snapshot, monitor.history(), name, monitor.recent_values(name) if served else None
            )
        except InvalidParameterError as error:
            raise RequestError(404, f"{quote_value(name)} is no signal that is watched here") from error
        return tagged_json(request, _with_signal_figures(document, theme))

    @app.get("/api/v1/quality", summary="How good the model is, and was over time", **_QUALITY)
    def quality(request: Request, theme: ThemeQuery = None) -> Response:
        labels = monitor.snapshot().to_brief_json()["labels"]
        document = {"labels": labels, "quality": history_document(monitor.history())["quality"]}
        if theme is not None:
            known = labels["reference"].get("accuracy", labels["reference"].get("mae"))
            document["figures"] = {"quality": figures.quality(document, theme, reference=known)}
        return tagged_json(request, document)

    @app.get(
        "/api/v1/episodes/{episode_id}", summary="One episode of drift, with its distributions", **_EPISODE
    )
    def episode(request: Request, episode_id: str, theme: ThemeQuery = None) -> Response:
        document = _episode(monitor, episode_id).to_document()
        if theme is not None:
            document["figures"] = {"ranking": figures.ranking(document, theme)}
        return tagged_json(request, document)


def _with_signal_figures(document: dict[str, Any], theme: figures.Theme | None) -> dict[str, Any]:
    if theme is not None:
        document["figures"] = {"statistics": figures.statistics(document, theme)}
        if document["distribution"] is not None:
            document["figures"]["distribution"] = figures.distribution(document, theme)
    return document


def _episode(monitor: Monitor, episode_id: str) -> Episode:
    try:
        episode = monitor.episode(episode_id)
    except StorageError:
        raise RequestError(503, _NO_STORE, _RETRY) from None
    if episode is None:
        raise RequestError(404, f"{quote_value(episode_id)} is no episode that is known here")
    return episode


# --- files -------------------------------------------------------------------------------------------


class _BrowserRoute(Route):
    """A route for clients that ask for HTML; the others are left to the next one."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        accepted = dict(scope.get("headers", ())).get(b"accept", b"")
        return super().matches(scope) if b"text/html" in accepted else (Match.NONE, {})


def _add_files(app: FastAPI) -> None:
    # None of these is a coroutine either: a file is read and compressed when it is first asked for.
    def page(request: Request) -> Response:
        return _file(request, page_file("index.html"), headers=_PAGE_HEADERS)

    app.router.routes.append(_BrowserRoute("/", page, methods=["GET"]))

    @app.get("/page/plotly-{version}.js", include_in_schema=False)
    def plotly(request: Request, version: str) -> Response:
        found = plotly_file() if version == plotly_version() else None
        return _file(request, found, cache_control=_FOR_A_YEAR)

    @app.get("/page/palettes.json", include_in_schema=False)
    async def palettes(request: Request) -> Response:
        return tagged_json(request, {name: asdict(each) for name, each in figures.PALETTES.items()})

    @app.get("/page/{name}", include_in_schema=False)
    def file(request: Request, name: str) -> Response:
        return _file(request, page_file(name))


def _file(request: Request, found: PageFile | None, **answer: Any) -> Response:
    if found is None:
        raise RequestError(404, f"nothing lies at GET {quote_value(request.url.path)}")
    return tagged(request, found.body, found.squeezed, found.tag, found.media_type, **answer)
