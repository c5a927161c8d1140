"""What is written fast says the same, to the same readers, as what prometheus_client writes."""

from __future__ import annotations

import gzip
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    parser,
    start_http_server,
)
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.registry import Collector

from driftlead.exporters.exposition import LabelSets, array_family, expose, metrics_app

NAMES = ["plain", 'with "quotes"', "with \\ and \n", "ünïcode", ""]
VALUES = [0.1, 1e300, float("nan"), float("-inf"), 5e-324]
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Arrays(Collector):
    def collect(self):
        labels = LabelSets(("model", "signal"), [("digits", name) for name in NAMES])
        yield array_family("gauge", "driftlead_level", "Back\\slash\nand line.", labels, VALUES)
        yield array_family("counter", "driftlead_seen", "Seen.", labels, range(len(NAMES)))
        some = labels.only(np.array([True, False, False, True, False]))
        yield array_family("gauge", "driftlead_some", "Some.", some, [1, 2])


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("driftlead_requests", "Requests.", ["code"], registry=registry).labels("200").inc()
    seconds = Histogram("driftlead_seconds", "Time.", registry=registry)
    seconds.observe(0.2, {"request_id": "a-1"})
    registry.register(Arrays())
    return registry


def samples(text: bytes, parse: Callable) -> list[tuple]:
    return sorted(
        (
            family.name,
            family.type,
            family.documentation,
            sample.name,
            sorted(sample.labels.items()),
            repr(sample.value),
        )
        for family in parse(text.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    )


def test_both_formats_hold_what_prometheus_client_writes(registry):
    text, kind = expose(registry)
    assert kind.startswith("text/plain")
    expected = samples(generate_latest(registry), parser.text_string_to_metric_families)
    assert samples(text, parser.text_string_to_metric_families) == expected
    text, kind = expose(registry, OPEN_METRICS)
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    whole = openmetrics_exposition.generate_latest(registry)
    parse = openmetrics_parser.text_string_to_metric_families
    assert samples(text, parse) == samples(whole, parse)
    assert b'# {request_id="a-1"} 0.2' in text


@pytest.fixture
def url(registry) -> Iterator[str]:
    server, thread = start_http_server(0, "127.0.0.1", registry)
    server.set_app(metrics_app(registry))
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("accepted", [{}, {"Accept": OPEN_METRICS}])
def test_a_scrape_is_compressed_where_asked(registry, url, accepted):
    with urllib.request.urlopen(urllib.request.Request(url, headers=accepted)) as plain:
        text = plain.read()
        assert plain.headers["Content-Encoding"] is None
    asked = urllib.request.Request(url, headers={**accepted, "Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
        assert gzip.decompress(packed.read()) == text == expose(registry, accepted.get("Accept", ""))[0]


def test_nothing_is_posted(url):
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(url, data=b"x")
