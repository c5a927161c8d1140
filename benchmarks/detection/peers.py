"""The peers' detectors at work in environments of their own; the protocol is `driftlead.benchmark.of_peer`'s.

An adapter takes the reference, a level of the detector's threshold parameter (None: the package's default)
and a seed, and returns a function that takes one row and says whether an alarm was raised. Detectors of
single values are made once per column.
"""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import json
import os
import platform
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Update = Callable[[np.ndarray], bool]
PACKAGES = ("river", "frouros", "alibi-detect", "torch", "scipy", "numpy")
WINDOW, ALIBI_WINDOW = 100, 50
ALIBI_REFERENCE = {"cvm": 500, "mmd": 300}  # rows; configuring takes seconds, and grows with their square


def river(name: str, parameter: str, binary: bool = False, seeded: bool = False) -> Callable[..., Update]:
    """Feed river's detectors, which begin anew after an alarm by themselves."""

    def start(reference: np.ndarray, level: float | None, seed: int) -> Update:
        from river import drift

        given: dict[str, Any] = {} if level is None else {parameter: level}
        if seeded:
            given["seed"] = seed
        make = getattr(drift.binary if binary else drift, name)
        tests = [make(**given) for _ in range(reference.shape[1])]

        def update(row: np.ndarray) -> bool:
            alarm = False
            for test, x in zip(tests, row.tolist(), strict=True):
                test.update(x)
                alarm |= test.drift_detected
            return alarm

        return update

    return start


def frouros(name: str) -> Callable[..., Update]:
    """Feed frouros' detectors, which stay at an alarm until they are reset."""

    def start(reference: np.ndarray, level: float | None, seed: int) -> Update:
        from frouros.detectors import concept_drift

        given = {} if level is None else {"lambda_": level}
        config = getattr(concept_drift, f"{name}Config")
        tests = [getattr(concept_drift, name)(config=config(**given)) for _ in range(reference.shape[1])]

        def update(row: np.ndarray) -> bool:
            alarm = False
            for test, x in zip(tests, row.tolist(), strict=True):
                test.update(value=x)
                if test.drift:
                    alarm = True
                    test.reset()
            return alarm

        return update

    return start


def frouros_incremental_ks(reference: np.ndarray, level: float | None, seed: int) -> Update:
    """It gives a p-value and no verdict: below 0.05, as is usual, exceedances within a window being one."""
    from frouros.detectors.data_drift import IncrementalKSTest

    limit = 0.05 if level is None else level
    tests = [IncrementalKSTest(window_size=WINDOW) for _ in range(reference.shape[1])]
    for test, column in zip(tests, reference.T, strict=True):
        test.fit(X=column)
    since = WINDOW

    def update(row: np.ndarray) -> bool:
        nonlocal since
        found = [test.update(value=x)[0] for test, x in zip(tests, row.tolist(), strict=True)]
        over = any(each is not None and each.p_value < limit for each in found)
        opening = over and since >= WINDOW
        since = 1 if over else since + 1
        return opening

    return update


@functools.lru_cache(maxsize=2)
def _alibi(kind: str, budget: float, reference: bytes, columns: int, seed: int) -> Any:
    """Configure once per reference, which takes seconds; its run length is the budget."""
    import torch
    from alibi_detect.cd import CVMDriftOnline, MMDDriftOnline

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - alibi-detect draws from the global generator
    rows = np.frombuffer(reference).reshape(-1, columns)[: ALIBI_REFERENCE[kind]]
    if kind == "cvm":
        return CVMDriftOnline(rows, budget, [ALIBI_WINDOW], n_bootstraps=int(10 * budget), verbose=False)
    return MMDDriftOnline(
        rows.astype(np.float32),
        budget,
        ALIBI_WINDOW,
        backend="pytorch",
        n_bootstraps=int(3 * budget),
        verbose=False,
    )


def alibi(kind: str) -> Callable[..., Update]:
    def start(reference: np.ndarray, budget: float, seed: int) -> Update:
        test = _alibi(kind, budget, reference.tobytes(), reference.shape[1], seed)
        test.reset_state()

        def update(row: np.ndarray) -> bool:
            alarm = bool(test.predict(row.astype(np.float32))["data"]["is_drift"])
            if alarm:
                test.reset_state()
            return alarm

        return update

    return start


ADAPTERS: dict[str, Callable[..., Update]] = {
    "river_adwin": river("ADWIN", "delta"),
    "river_page_hinkley": river("PageHinkley", "threshold"),
    "river_kswin": river("KSWIN", "alpha", seeded=True),
    "river_ddm": river("DDM", "drift_threshold", binary=True),
    "river_eddm": river("EDDM", "beta", binary=True),
    "river_fhddm": river("FHDDM", "confidence_level", binary=True),
    "river_hddm_a": river("HDDMA", "drift_confidence", binary=True),
    "river_hddm_w": river("HDDMW", "drift_confidence", binary=True),
    "frouros_page_hinkley": frouros("PageHinkley"),
    "frouros_cusum": frouros("CUSUM"),
    "frouros_incremental_ks": frouros_incremental_ks,
    "alibi_cvm": alibi("cvm"),
    "alibi_mmd": alibi("mmd"),
}


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


class Server:
    update: Update

    def start(self, request: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        name, _, budget = request["adapter"].partition(":")
        tracemalloc.stop()
        if request["traced"]:
            tracemalloc.start()
        self.update = ADAPTERS[name](rows, float(budget) if budget else request["level"], request["seed"])
        return {}

    def feed(self, request: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        started = time.process_time()
        alarms = [number for number, row in enumerate(rows) if self.update(row)]
        return {"alarms": alarms, "seconds": time.process_time() - started}

    def held(self, request: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        gc.collect()
        return {"bytes": tracemalloc.get_traced_memory()[0]}

    def versions(self, request: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        return versions()


def main() -> None:
    warnings.simplefilter("ignore")
    # What the packages print must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        shape = request.get("shape", (0, 0))
        rows = np.frombuffer(sys.stdin.buffer.read(8 * shape[0] * shape[1])).reshape(shape)
        try:
            answer = getattr(server, request["do"])(request, rows)
        except Exception as error:
            answer = {"error": f"{request.get('adapter', '')} {type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
