"""The page's files and documents as a client gets them."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pytest

from driftlead.errors import StorageError
from driftlead.monitor import MemoryStore

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def drifting(service):
    rng = np.random.default_rng(0)
    width = len(service.monitor.profile.signals)
    service.monitor.process(rng.normal(5.0, 1.0, size=(200, width)), observed_at=np.full(200, 1e9))
    return service


def test_browsers_get_the_page_and_other_clients_json(service):
    page = service.request("GET", "/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>driftlead</title>" in page.text
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert service.request("GET", "/", headers=accept).json()["service"] == "driftlead"
    assert service.request("POST", "/", headers=BROWSER).status_code == 405


def test_nothing_but_its_own_files_may_run_in_the_page(service):
    page = service.request("GET", "/", headers=BROWSER)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    # No script and no style within the page, and nothing from elsewhere.
    assert "://" not in page.text
    assert "<style" not in page.text
    assert page.text.count("<script") == page.text.count('<script type="module" src=')


def test_every_file_that_the_page_names_is_there(service):
    page = service.request("GET", "/", headers=BROWSER).text
    named = {part.split('"')[0] for part in page.split('="page/')[1:]}
    assert {"main.js", "page.css", "icon.svg"} <= named
    for name in named:
        answer = service.get(f"/page/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        for imported in answer.text.split(' from "./')[1:]:
            assert service.get(f"/page/{imported.split(chr(34))[0]}").status_code == 200
    for name in ("none.js", "routes.py", "..%2Froutes.py", "%2Fetc%2Fpasswd", ""):
        assert service.get(f"/page/{name}").status_code == 404


def test_plotly_is_served_from_its_package_for_a_year(service):
    version = service.get("/api/v1/overview").json()["plotly"]
    answer = service.get(f"/page/plotly-{version}.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert "plotly.js" in answer.text[:300]
    assert "immutable" in answer.headers["cache-control"]
    assert service.get("/page/plotly-0.0.0.js").status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/overview", "/api/v1/history", "/page/page.css"])
def test_what_is_the_same_is_not_sent_again(drifting, path):
    first = drifting.get(path)
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = drifting.request("GET", path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert drifting.request("GET", path, headers={"If-None-Match": '"other"'}).status_code == 200
    plain = drifting.request("GET", path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == first.text


def test_the_overview_follows_the_rows(drifting):
    overview = drifting.get("/api/v1/overview").json()
    assert overview["drifting"]
    assert overview["rows"] == 200
    first = overview["signals"][0]
    assert first["name"] == "feature:a"
    assert first["ratio"]["incremental_ks"] > 1
    assert first["drifting"]
    (episode,) = overview["episodes"]
    whole = drifting.get(f"/api/v1/episodes/{episode['id']}?theme=light").json()
    assert whole["signals"][0]["counts_after"]
    assert whole["figures"]["ranking"]["data"][0]["type"] == "bar"


def test_history_after_a_moment(drifting):
    drifting.monitor.process(
        np.zeros((5, len(drifting.monitor.profile.signals))), observed_at=np.full(5, 1e9 + 60)
    )
    whole = drifting.get("/api/v1/history").json()["series"][0]
    later = drifting.get(f"/api/v1/history?after={1e9 + 30}").json()["series"][0]
    assert whole["end"] == [1e9, 1e9 + 60]
    assert later["end"] == [1e9 + 60]
    assert later["percent"] == whole["percent"][1:]
    assert len(whole["pairs"]) == len(whole["percent"][0])


def test_a_signal_with_its_figures(drifting):
    plain = drifting.get("/api/v1/signal?name=feature:a").json()
    assert "figures" not in plain
    drawn = drifting.get("/api/v1/signal?name=feature:a&theme=dark").json()
    assert set(drawn["figures"]) == {"distribution", "statistics"}
    labelled = drifting.get("/api/v1/signal?name=performance:error&theme=dark").json()
    assert set(labelled["figures"]) == {"statistics"}


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/api/v1/signal?name=none", 404, '"none" is no signal that is watched here'),
        (f"/api/v1/signal?name={quote('<script>')}", 404, "<script>"),
        ("/api/v1/signal?name=", 400, "name"),
        ("/api/v1/signal", 400, "name"),
        ("/api/v1/signal?name=feature:a&theme=pink", 400, "theme"),
        ("/api/v1/history?after=soon", 400, "after"),
        ("/api/v1/history?after=inf", 400, "after"),
        ("/api/v1/quality?theme=", 400, "theme"),
        ("/api/v1/episodes/none", 404, '"none" is no episode that is known here'),
    ],
)
def test_what_is_asked_wrongly_is_refused(drifting, path, status, error):
    answer = drifting.get(path)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"


def test_a_dead_database_leaves_the_page_alive(make_service):
    class DeadStore(MemoryStore):
        def episode(self, episode_id):
            raise StorageError("connection refused")

    service = make_service(store=DeadStore())
    assert service.get("/api/v1/episodes/e").status_code == 503
    assert service.get("/api/v1/overview").status_code == 200


def test_an_unwatched_service_has_a_page_too(make_service):
    service = make_service(watched=False)
    assert service.request("GET", "/", headers=BROWSER).status_code == 200
    overview = service.get("/api/v1/overview").json()
    assert (overview["watched"], overview["model"]) == (False, "linear")
    assert service.get("/api/v1/history").status_code == 404


def test_documents_are_compressed_where_that_is_worth_it(drifting):
    large, small = drifting.get("/api/v1/overview"), drifting.get("/page/icon.svg")
    assert large.headers["content-encoding"] == "gzip"
    assert large.headers["vary"] == "Accept, Accept-Encoding"
    assert int(large.headers["content-length"]) < len(large.content)
    assert small.status_code == 200
