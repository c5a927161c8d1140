"""The queue between serving and the detectors: who waits for rows is woken."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from driftlead.monitor.row_queue import RowQueue


def wait_for_takers(queue, number):
    for _ in range(1000):
        with queue._lock:
            if queue._waiting_takers == number:
                return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("takers", [1, 3])
def test_every_taker_is_woken_by_rows_and_by_the_end(takers):
    queue = RowQueue(100, 10_000)
    with ThreadPoolExecutor(takers) as threads:
        taken = [threads.submit(queue.take, 1) for _ in range(takers)]
        wait_for_takers(queue, takers)
        for number in range(takers):
            assert queue.offer(np.full((1, 2), float(number)), 0.0)
        numbers = [future.result(10)[0].rows[0, 0] for future in taken]
        assert sorted(numbers) == list(range(takers))
        ended = [threads.submit(queue.take, 1) for _ in range(takers)]
        wait_for_takers(queue, takers)
        queue.close(discard=False)
        assert [future.result(10) for future in ended] == [[]] * takers
    assert not queue.offer(np.zeros((1, 2)), 0.0)
