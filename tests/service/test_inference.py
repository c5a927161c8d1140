"""Where requests are answered: in a thread of their own, or by the event loop while that is sooner."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from driftlead.service.inference import _Pace
from tests.service.conftest import INFER
from tests.service.linear import LinearClassifier

# As text longer than what the event loop takes.
LARGE, LARGE_AND_SLOW = [[1.000000001, 2.000000001, 3.000000001]] * 1_000, [[7.000000001] * 3] * 1_000


class Noting(LinearClassifier):
    """Notes the thread of each prediction; a row of 7s waits to be let go, one of 9s takes long."""

    def __init__(self, any_thread):
        super().__init__()
        self.any_thread = any_thread
        self.threads = []
        self.go = threading.Event()
        self.inside = self.met = 0

    def predict(self, inputs):
        self.threads.append(threading.current_thread())
        self.inside += 1
        self.met += self.inside > 1
        try:
            if (inputs["input"] == 7).all():
                assert self.go.wait(10)
            if (inputs["input"] == 9).all():
                time.sleep(0.15)
            return super().predict(inputs)
        finally:
            self.inside -= 1


def body(rows):
    data = np.asarray(rows, float).ravel().tolist()
    return {"inputs": [{"name": "input", "shape": [len(rows), 3], "datatype": "FP32", "data": data}]}


async def asked(service, rows):
    answer = await service.request_async("POST", INFER, json=body(rows))
    assert answer.status_code == 200
    assert answer.json()["outputs"][1]["data"] == [int(sum(row) > 0) for row in rows]


async def asked_until_it_is_here(service, model):
    """Ask until the event loop's thread predicts: the machine may be busy."""
    for _ in range(5_000):
        await asked(service, [[1, 2, 3]])
        if model.threads[-1] is threading.current_thread():
            return
    raise AssertionError("no answer came from the event loop")


def test_brief_answers_come_from_the_event_loop_and_others_from_a_thread(make_service):
    model = Noting(any_thread=True)
    service = make_service(model)

    async def ask():
        await asked(service, [[1, 2, 3]])
        first = model.threads[-1]
        await asked_until_it_is_here(service, model)
        await asked(service, LARGE)
        assert model.threads[-1] is first, "a large body kept the event loop"
        await asked_until_it_is_here(service, model)
        await asked(service, [[9, 9, 9]])
        await asked(service, [[1, 2, 3]])
        assert model.threads[-1] is first, "what took long once may take long again"
        return first

    assert asyncio.run(ask()).name.startswith("driftlead-inference")
    assert len(set(model.threads)) == 2


@pytest.mark.parametrize("left", [False, True])
def test_a_request_in_the_thread_is_not_met_by_another_on_the_event_loop(make_service, left):
    model = Noting(any_thread=True)
    service = make_service(model)

    async def ask():
        await asked_until_it_is_here(service, model)
        slow = asyncio.create_task(service.request_async("POST", INFER, json=body(LARGE_AND_SLOW)))
        while model.threads[-1] is threading.current_thread():
            assert not slow.done()
            await asyncio.sleep(0.001)
        ready = await service.request_async("GET", "/v2/health/ready")
        assert ready.status_code == 200
        if left:
            slow.cancel()
            await asyncio.sleep(0.01)
        small = asyncio.create_task(asked(service, [[1, 2, 3]]))
        await asyncio.sleep(0.01)
        assert model.inside == 1
        model.go.set()
        await small
        assert model.met == 0, "two batches met in the model"
        await asyncio.gather(slow, return_exceptions=True)

    asyncio.run(ask())


def test_a_crowd_is_counted_before_it_is_answered_and_others_come_between(make_service):
    model = Noting(any_thread=True)
    service = make_service(model, max_concurrent_requests=20)

    async def ask():
        await asked_until_it_is_here(service, model)
        crowd = [
            asyncio.create_task(service.request_async("POST", INFER, json=body([[1, 2, 3]])))
            for _ in range(30)
        ]
        health = await service.request_async("GET", "/v2/health/ready")
        waiting = sum(not each.done() for each in crowd)
        return health.status_code, waiting, [each.status_code for each in await asyncio.gather(*crowd)]

    health, waiting, codes = asyncio.run(ask())
    assert health == 200
    assert waiting >= 10, "the crowd was answered first"
    assert sorted(codes) == [200] * 20 + [503] * 10


def test_a_predictor_that_does_not_say_so_is_asked_in_one_thread(make_service):
    model = Noting(any_thread=False)
    service = make_service(model)

    async def ask():
        for _ in range(150):
            await asked(service, [[1, 2, 3]])

    asyncio.run(ask())
    (thread,) = set(model.threads)
    assert thread.name.startswith("driftlead-inference")


@pytest.mark.parametrize(
    ("answers", "brief"),
    [
        ([(0.001, 0.001)] * 80, False),
        ([(0.001, 0.001)] * 100, True),
        ([(0.02, 0.001)] * 100, True),  # it waited for the interpreter
        ([(0.03, 0.001)] * 100, False),  # it waits for something else
        ([(0.003, 0.003)] * 100, True),  # on a slow machine, where the thread takes twice as long
        ([(0.006, 0.006)] * 100, False),
        ([(0.001, 0.001)] * 300 + [(0.006, 0.006)], True),
        ([(0.001, 0.001)] * 300 + [(0.006, 0.006)] * 3, False),
        ([(0.001, 0.001)] * 300 + [(0.11, 0.001)], False),
    ],
)
def test_what_is_brief(answers, brief):
    pace = _Pace()
    for seconds, busy_seconds in answers:
        pace.count(seconds, busy_seconds, answered=True)
    assert pace.brief is brief


def test_what_is_refused_says_nothing_unless_it_took_long():
    pace = _Pace()
    for _ in range(100):
        pace.count(0.001, 0.001, answered=False)
    assert not pace.brief
    for _ in range(100):
        pace.count(0.001, 0.001, answered=True)
    assert pace.brief
    for _ in range(3):
        pace.count(0.006, 0.006, answered=False)
    assert not pace.brief
