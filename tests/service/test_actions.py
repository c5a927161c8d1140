"""Labels, acknowledgements, a new reference and alerts, as a client sends them."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from driftlead.errors import StorageError
from driftlead.monitor import MemoryStore
from driftlead.service import actions
from tests.service.conftest import tensor

KEY = "a key that is long enough"


class DeadStore(MemoryStore):
    """A store whose database is gone."""

    def add_predictions(self, *arguments, **named):
        raise StorageError("connection refused at postgresql://db")

    add_labels = join_waiting = save_episode = episode = episodes = add_predictions


def ask(service, name="r1", rows=1):
    body = tensor(np.arange(3.0 * rows).tolist(), shape=[rows, 3])
    assert service.infer({"id": name, **body}).status_code == 200


def test_a_label_finds_the_prediction_of_its_request(service):
    ask(service)
    assert service.request("POST", "/feedback", json={"id": "r1", "label": 1}).json() == {
        "matched": 1,
        "late": 0,
        "duplicate": 0,
        "unmatched": 0,
    }
    again = [{"id": "r1", "label": 0}, {"id": "r2", "label": 1}]
    answer = service.request("POST", "/feedback", json=again).json()
    assert (answer["matched"], answer["duplicate"], answer["unmatched"]) == (0, 1, 1)


def test_labels_of_all_rows_of_a_request(service):
    ask(service, rows=3)
    answer = service.request("POST", "/feedback", json=[{"id": "r1", "labels": [0, 1, 1]}])
    assert answer.json()["matched"] == 3
    single = service.request("POST", "/feedback", json={"id": "r1/2", "label": 1})
    assert single.json()["duplicate"] == 1


def test_a_request_that_is_called_like_a_row_of_another_mixes_no_labels(service):
    several = tensor([[3, 0, 0], [0, 3, 0]], shape=[2, 3])
    assert service.infer({**several, "id": "A"}).status_code == 200
    assert service.infer({**several, "id": "A"}).status_code == 200  # sent again, as clients do
    assert service.infer({**tensor([0, 0, -3]), "id": "A/0"}).status_code == 200
    told = service.request("POST", "/feedback", json=[{"id": "A", "labels": [1, 1]}])
    assert told.json() == {"matched": 1, "late": 0, "duplicate": 0, "unmatched": 1}
    assert service.monitor.snapshot().labels.metrics["accuracy"] == 1.0
    assert service.monitor.snapshot().dropped_predictions["same_id"] == 1


def test_labels_by_name_of_class(service):
    ask(service)
    assert service.request("POST", "/feedback", json={"id": "r1", "label": "high"}).json()["matched"] == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "JSON"),
        ({"id": "r1"}, "feedback[0] must have either label or labels"),
        ({"id": "r1", "labels": [1, 10**400]}, "feedback[0] must have labels of at most 64 bits"),
        ({"id": "r1", "label": 1, "labels": [1]}, "feedback[0] must have either label or labels"),
        ({"label": 1}, "id is missing"),
        ({"id": "r1", "label": 2}, "labels[0] must be a class from 0 to 1, got 2"),
        ({"id": "r1", "label": "middle"}, "labels[0] must be one of low, high, got 'middle'"),
        ({"id": "", "label": 1}, "ids[0] must be a text of 1 to"),
        ({"id": "a\0b", "label": 1}, "ids[0] must be a text of 1 to"),
        ({"id": "r1", "label": 1, "lable": 2}, "lable is no field that is known here"),
        ([{"id": "r1", "label": 1, "lable": 2}], "[0].lable is no field that is known here"),
        (b"", "id is missing"),
        (3, "body must be"),
    ],
)
def test_what_is_no_label_is_refused_and_nothing_is_kept(service, body, error):
    ask(service)
    key = "content" if isinstance(body, bytes) else "json"
    answer = service.request("POST", "/feedback", **{key: body})
    assert answer.status_code == 400
    assert error in answer.json()["error"]
    assert service.request("POST", "/feedback", json={"id": "r1", "label": 1}).json()["matched"] == 1


def test_a_dead_database_is_said_to_who_sends_labels_and_nobody_else(make_service):
    service = make_service(store=DeadStore())
    ask(service)
    refused = service.request("POST", "/feedback", json={"id": "r1", "label": 1})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "db" not in refused.json()["error"].split()
    assert refused.json()["error"].endswith("nothing was kept")
    assert service.get("/api/v1/episodes").status_code == 503
    assert service.get("/v2/health/ready").json() == {"ready": True}
    assert service.get("/api/v1/monitor").status_code == 200
    ask(service, "r2")


class LostStore(MemoryStore):
    """A store whose database is lost while it commits."""

    def add_labels(self, *arguments, **named):
        raise StorageError("server closed the connection", uncertain=True)


def test_labels_that_a_lost_database_may_have_kept_are_not_said_to_be_lost(make_service):
    service = make_service(store=LostStore())
    ask(service)
    answer = service.request("POST", "/feedback", json={"id": "r1", "label": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "may yet be kept" in answer.json()["error"]


def drifting(service):
    service.monitor.process(
        np.random.default_rng(0).normal(5.0, 1.0, size=(200, len(service.monitor.profile.signals)))
    )
    (episode,) = service.get("/api/v1/monitor").json()["episodes"]
    return episode


def test_an_episode_is_acknowledged(service):
    episode = drifting(service)
    path = f"/api/v1/episodes/{episode['id']}/acknowledge"
    answer = service.request("POST", path, json={"by": "mia", "note": "lamp"})
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["acknowledged_by"]) == ("acknowledged", "mia")
    (listed,) = service.get("/api/v1/episodes").json()["episodes"]
    assert (listed["id"], listed["note"]) == (episode["id"], "lamp")
    assert service.request("POST", path, json={"by": ""}).status_code == 400
    unknown = service.request("POST", "/api/v1/episodes/none/acknowledge", json={"by": "mia"})
    assert (unknown.status_code, unknown.json()["error"]) == (
        404,
        "episode_id must be the id of an episode, got 'none'",
    )


@pytest.mark.parametrize(("field", "most"), [("by", 300), ("note", 10_000)])
def test_what_a_person_writes_has_an_end(service, field, most):
    path = f"/api/v1/episodes/{drifting(service)['id']}/acknowledge"
    refused = service.request("POST", path, json={"by": "mia", field: "x" * (most + 1)})
    assert refused.status_code == 400
    assert f"{field} must be " in refused.json()["error"], refused.json()
    assert str(most) in refused.json()["error"]
    assert service.request("POST", path, json={"by": "mia", field: "x" * most}).status_code == 200


def test_more_labels_than_a_request_may_hold_are_refused(service):
    refused = service.request("POST", "/feedback", json={"id": "r1", "labels": [1] * 50_001})
    assert (refused.status_code, refused.json()["error"]) == (
        413,
        "labels must be at most 50000 in one request, got 50001",
    )


def test_an_episode_is_ended(service):
    episode = drifting(service)
    path = f"/api/v1/episodes/{episode['id']}/resolve"
    assert service.request("POST", path, json={"by": "mia"}).json()["resolution"] == "closed"
    assert service.get("/api/v1/monitor").json()["episodes"] == []
    again = service.request("POST", path, json={"by": "tom"})
    assert (again.status_code, again.json()["resolved_by"]) == (200, "mia")
    missing = service.request("POST", "/api/v1/episodes/none/resolve", json={"by": "mia"})
    assert missing.status_code == 404


def test_the_page_is_read_while_labels_wait_for_a_slow_database(make_service):
    gate = threading.Event()

    class SlowStore(MemoryStore):
        def add_labels(self, *arguments):
            gate.wait(30)
            return super().add_labels(*arguments)

    service = make_service(store=SlowStore(), max_concurrent_requests=60)

    async def busy():
        waiting = [
            asyncio.create_task(service.request_async("POST", "/feedback", json={"id": f"r{n}", "label": 1}))
            for n in range(16)
        ]
        await asyncio.sleep(0.3)
        read = await asyncio.wait_for(service.request_async("GET", "/api/v1/monitor"), 20)
        ready = await service.request_async("GET", "/v2/health/ready")
        refused = await service.request_async("POST", "/feedback", json={"id": "one more", "label": 1})
        gate.set()
        return (
            read.status_code,
            ready.json(),
            refused.status_code,
            [each.status_code for each in await asyncio.gather(*waiting)],
        )

    assert asyncio.run(busy()) == (200, {"ready": True}, 503, [200] * 16)


@pytest.mark.parametrize("cut_short_by", ["its limit", "the end of the service"])
def test_labels_that_a_store_holds_for_too_long_are_answered(make_service, monkeypatch, cut_short_by):
    monkeypatch.setattr(actions, "_LONGEST_SECONDS", 0.2 if cut_short_by == "its limit" else 30.0)
    gate, held = threading.Event(), threading.Semaphore(0)

    class SilentStore(MemoryStore):
        def add_labels(self, *arguments):
            held.release()
            gate.wait(60)
            return super().add_labels(*arguments)

    service = make_service(store=SilentStore())
    threads = 4

    async def hold():
        # Beyond the number of threads: who waits for one is answered too.
        waiting = [
            asyncio.create_task(service.request_async("POST", "/feedback", json={"id": f"r{n}", "label": 1}))
            for n in range(threads if cut_short_by == "the end of the service" else threads + 2)
        ]
        if cut_short_by == "the end of the service":
            for _ in range(threads):
                await asyncio.to_thread(held.acquire)
            for each in waiting:
                each.cancel()
        answers = await asyncio.gather(*waiting)
        gate.set()
        return answers

    for answer in asyncio.run(hold()):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "send it again" in answer.text


def test_a_new_reference_is_collected(service):
    assert service.request("POST", "/api/v1/rebaseline", json={"by": "mia", "rows": 300}).json() == {
        "rows": 300
    }
    drifting(service)
    assert service.get("/api/v1/monitor").json()["rebaseline"] == {"rows": 200, "of": 300}
    refused = service.request("POST", "/api/v1/rebaseline", json={"by": "mia", "rows": 1})
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "rows must be from two windows, 200, to 8333333, got 1",
    )


def test_alerts_of_alertmanager_are_counted(service):
    alert = {
        "status": "firing",
        "labels": {"alertname": "DriftleadDrift"},
        "annotations": {"summary": "it drifts"},
    }
    body = {"version": "4", "status": "firing", "alerts": [alert, {**alert, "status": "resolved"}, alert]}
    assert service.request("POST", "/api/v1/alerts", json=body).status_code == 200
    assert service.metric("alerts_received_total", status="firing") == 2
    assert service.metric("alerts_received_total", status="resolved") == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/feedback", {"id": "r1", "label": 1}),
        ("/api/v1/episodes/e/acknowledge", {"by": "mia"}),
        ("/api/v1/episodes/e/resolve", {"by": "mia"}),
        ("/api/v1/rebaseline", {"by": "mia"}),
        ("/api/v1/alerts", {"alerts": []}),
    ],
)
def test_what_changes_state_needs_the_key(make_service, path, body):
    service = make_service(api_key=KEY)
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "é"},
    ):
        encoded = {name: value.encode() for name, value in headers.items()}
        refused = service.request("POST", path, json=body, headers=encoded)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    allowed = service.request("POST", path, json=body, headers={"Authorization": f"Bearer {KEY}"})
    assert allowed.status_code in (200, 202, 404)
    ask(service)


def test_an_unwatched_service_serves_and_says_nothing_of_a_monitor(make_service):
    service = make_service(watched=False)
    ask(service)
    assert "monitor" not in service.get("/").json()["links"]
    assert service.get("/api/v1/monitor").status_code == 404
    assert service.request("POST", "/feedback", json={"id": "r1", "label": 1}).status_code == 404
