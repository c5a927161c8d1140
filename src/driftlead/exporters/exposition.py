"""Metric families as arrays, and a scrape of thousands of series in milliseconds.

`prometheus_client` makes an object, a dictionary and an escaped string of every sample at every scrape:
half a second of the interpreter for 500 signals. Labels hardly ever change, so here they are written
once, and a scrape only writes numbers behind them.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

__all__ = ["LabelSets", "array_family", "expose", "metrics_app"]


class LabelSets:
    r"""The label sets of a family's series, written once.

    Parameters
    ----------
    names : sequence of str
        Label names.
    values : sequence of tuple of str
        Values of one series each, in the order of the names.

    Examples
    --------
    >>> LabelSets(("signal", "bin"), [("a", "0"), ('b"', "1")]).text
    ('{signal="a",bin="0"}', '{signal="b\\"",bin="1"}')
    """

    def __init__(self, names: Sequence[str], values: Iterable[tuple[str, ...]]) -> None:
        self.names = tuple(names)
        self.values = tuple(values)
        self.text = tuple(_label_text(self.names, each) for each in self.values)

    def __len__(self) -> int:
        return len(self.values)

    def only(self, kept: NDArray[np.bool_]) -> LabelSets:
        """Return those of the series where ``kept``, of shape (series,), is true."""
        chosen = object.__new__(LabelSets)
        indices = np.flatnonzero(kept).tolist()
        chosen.names = self.names
        chosen.values = tuple(self.values[index] for index in indices)
        chosen.text = tuple(self.text[index] for index in indices)
        return chosen


class _ArraySamples:
    """Samples of one family; they become objects only for those who iterate over them."""

    def __init__(self, name: str, labels: LabelSets, values: NDArray[np.float64]) -> None:
        self.name = name
        self.labels = labels
        self.values = values

    def __iter__(self) -> Iterator[Sample]:
        for labels, value in zip(self.labels.values, self.values.tolist(), strict=True):
            yield Sample(self.name, dict(zip(self.labels.names, labels, strict=True)), value)

    def lines(self) -> str:
        """Write all samples, a line each."""
        numbers = map(repr, self.values.tolist())
        if not np.isfinite(self.values).all():
            numbers = map(_number, self.values.tolist())
        name = self.name
        return "".join(
            [f"{name}{labels} {number}\n" for labels, number in zip(self.labels.text, numbers, strict=True)]
        )


def array_family(kind: str, name: str, documentation: str, labels: LabelSets, values: ArrayLike) -> Metric:
    """Make a family of one number per label set.

    Parameters
    ----------
    kind : {"gauge", "counter"}
        A counter's name comes without ``_total``.
    name, documentation : str
    labels : LabelSets
    values : array_like, shape (len(labels),)

    Examples
    --------
    >>> family = array_family("counter", "rows", "Rows.", LabelSets(("model",), [("digits",)]), [3])
    >>> list(family.samples)[0].name
    'rows_total'
    """
    family = Metric(name, documentation, kind)
    numbers = np.asarray(values, dtype=np.float64)
    samples: Any = _ArraySamples(f"{name}_total" if kind == "counter" else name, labels, numbers)
    family.samples = samples
    return family


def expose(registry: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
    r"""Write all that a registry collects.

    Parameters
    ----------
    registry : CollectorRegistry
    accept : str
        The ``Accept`` header of the scrape; it decides between OpenMetrics and Prometheus' own text.

    Returns
    -------
    text : bytes
    content_type : str

    Examples
    --------
    >>> expose(CollectorRegistry(), "application/openmetrics-text; version=1.0.0")[0]
    b'# EOF\n'
    """
    encode, content_type = choose_encoder(accept)
    open_metrics = content_type.startswith("application/openmetrics-text")
    others: list[Metric] = []
    arrays: list[str] = []
    for family in registry.collect():
        samples: Any = family.samples
        if isinstance(samples, _ArraySamples):
            # In OpenMetrics a counter's family has no suffix, in the older text it has.
            name = family.name if open_metrics else samples.name
            about = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
            arrays.append(f"# HELP {name} {about}\n# TYPE {name} {family.type}\n{samples.lines()}")
        else:
            others.append(family)
    end = b"# EOF\n" if open_metrics else b""
    text = encode(_Collected(others)).removesuffix(end)
    return text + "".join(arrays).encode() + end, content_type


def metrics_app(registry: CollectorRegistry) -> Callable[[dict[str, Any], Callable[..., Any]], list[bytes]]:
    """Build the WSGI application that answers a scrape with `expose`, compressed where that is asked for.

    Examples
    --------
    >>> headers = []
    >>> app = metrics_app(CollectorRegistry())
    >>> app({"REQUEST_METHOD": "GET"}, lambda status, all: headers.extend([status, *all]))
    [b'']
    >>> headers[0]
    '200 OK'
    """

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            start_response("405 Method Not Allowed", [("Allow", "GET")])
            return [b""]
        text, content_type = expose(registry, environ.get("HTTP_ACCEPT", ""))
        headers = [("Content-Type", content_type)]
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            # The least effort: series resemble each other so much that more of it gains little.
            text = gzip.compress(text, compresslevel=1)
            headers.append(("Content-Encoding", "gzip"))
        start_response("200 OK", headers)
        return [text]

    return app


class _Collected(Collector):
    """What was collected already, for an encoder that wants to collect it."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _label_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = (f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if np.isfinite(value):
        return repr(value)
    return "NaN" if np.isnan(value) else "+Inf" if value > 0 else "-Inf"
