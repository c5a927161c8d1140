"""Mixed load at four fifths of saturation: memory flat, no request dropped.

    python -m benchmarks.load                  30 seconds
    python -m benchmarks.load --seconds 3600   an hour

``driftlead serve`` with 64 features, a database and a state folder takes single rows, batches in JSON and
binary, labels of earlier predictions, and readers of its state, over a few connections. Saturation is
measured first. Printed are answers by status, latency from when a request was due, memory at ten moments, and
what the monitor dropped. The exit code is 1 if a request was refused or a row dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
from rich.progress import Progress

from benchmarks.fuzz import resident_mebibytes, start
from driftlead.reference import ReferenceProfile
from driftlead.service import ArrayPredictor

FEATURES, BATCH, CONNECTIONS = 64, 64, 8
SHARE = 0.8
INFER = "/v2/models/classify/infer"
WARM_UP_SECONDS = 4.0

_WEIGHTS = np.random.default_rng(1).normal(size=(FEATURES, 3)) / 8


def classify(rows: np.ndarray) -> np.ndarray:
    """The model: a softmax over three classes."""
    scores = np.exp(rows @ _WEIGHTS)
    return scores / scores.sum(axis=1, keepdims=True)


def write_profile(path: str) -> None:
    """Profile the model on normal rows."""
    model = ArrayPredictor(classify, (FEATURES,), name="classify", version="1")
    rows = np.random.default_rng(2).normal(size=(5_000, FEATURES)).astype(np.float32)
    answers = model.predict({"input": rows})
    profile = ReferenceProfile.from_rows(model.signals, answers.signals, model_hash="1")
    profile.with_quality(answers.scores, answers.outputs["label"]).save(path)


def http(method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
    """Write one HTTP request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def batch_requests(rng: np.random.Generator) -> list[bytes]:
    """Some requests of many rows, in JSON and in binary; written once, since that takes a client long."""
    written = []
    for _ in range(10):
        rows = rng.normal(size=(BATCH, FEATURES))
        tensor = {"name": "input", "shape": [BATCH, FEATURES], "datatype": "FP32"}
        written.append(
            http("POST", INFER, json.dumps({"inputs": [{**tensor, "data": rows.tolist()}]}).encode())
        )
        values = rows.astype("<f4").tobytes()
        binary = {**tensor, "parameters": {"binary_data_size": len(values)}}
        head = json.dumps({"inputs": [binary]}).encode()
        length = f"Inference-Header-Content-Length: {len(head)}\r\n"
        written.append(http("POST", INFER, head + values, length))
    return written


def traffic(seed: int) -> Iterator[bytes]:
    """Yield requests without end: mostly single rows, and all that a service is asked besides."""
    rng, choose = np.random.default_rng(seed), random.Random(seed)
    batches = batch_requests(rng)
    waiting: list[str] = []
    for number in count():
        share = choose.random()
        if share < 0.60:
            waiting.append(f"{seed}-{number}")
            # A drift now and then, so that alarms and episodes are a part of it.
            row = rng.normal(0.5 if number % 4_000 > 3_900 else 0.0, 1.0, size=FEATURES)
            one = {"name": "input", "shape": [1, FEATURES], "datatype": "FP32", "data": row.tolist()}
            yield http("POST", INFER, json.dumps({"id": waiting[-1], "inputs": [one]}).encode())
        elif share < 0.80:
            yield choose.choice(batches)
        elif share < 0.92 and waiting:
            labels = [{"id": name, "label": choose.randrange(3)} for name in waiting[-50:]]
            waiting = []
            yield http("POST", "/feedback", json.dumps(labels).encode())
        else:
            yield http("GET", choose.choice(["/v2/health/ready", "/v2/models/classify", "/api/v1/episodes"]))


async def load(
    port: int, seconds: float, rate: float | None, seed: int, step: Callable[[], object]
) -> tuple[Counter[str], list[float]]:
    """Send traffic as fast as it is answered, or at a rate; return answers by status, and their latencies."""
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    began = time.perf_counter()

    async def client(number: int) -> None:
        rng = random.Random(seed + number)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        due = began
        for request in traffic(seed + number):
            if rate is not None:
                due += rng.expovariate(rate / CONNECTIONS)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = due if rate is not None else time.perf_counter()
            if asked - began > seconds:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
            statuses[head.split()[1].decode()] += 1
            latencies.append(time.perf_counter() - asked)
            step()
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return statuses, latencies


async def measure(process: subprocess.Popen[str], port: int, seconds: float) -> bool:
    """Find saturation, load, print; return whether all went well."""
    log = asyncio.get_running_loop().run_in_executor(None, lambda: sum(1 for _ in process.stderr or ()))
    warm, _ = await load(port, WARM_UP_SECONDS, None, 0, lambda: None)
    saturation, _ = await load(port, WARM_UP_SECONDS, None, 100, lambda: None)
    rate = SHARE * saturation.total() / WARM_UP_SECONDS
    print(f"saturation {rate / SHARE:,.0f} requests/s; load {rate:,.0f}/s for {seconds:g} s")
    statuses: Counter[str] = warm + saturation
    latencies: list[float] = []
    memory: list[float] = []
    with Progress() as progress:
        task = progress.add_task("load", total=rate * seconds)
        for tenth in range(10):
            answered, took = await load(
                port, seconds / 10, rate, 1_000 * (tenth + 1), lambda: progress.advance(task)
            )
            statuses += answered
            latencies += took
            memory.append(resident_mebibytes(process))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(http("GET", "/api/v1/monitor", headers="Connection: close\r\n"))
    state = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    writer.close()
    quantiles = statistics.quantiles(latencies, n=100)
    print(f"answers {dict(statuses)}")
    print(f"latency p50 {1e3 * quantiles[49]:.1f} ms, p99 {1e3 * quantiles[98]:.1f} ms")
    print("MiB: " + " ".join(f"{each:.0f}" for each in memory))
    print(f"growth of the last nine tenths: {memory[-1] - memory[0]:+.1f} MiB")
    errors = sum(state["errors"].values())
    print(f"monitor: {state['rows']:,} rows, dropped {sum(state['dropped_rows'].values())}, errors {errors}")
    process.send_signal(signal.SIGTERM)
    await log
    return set(statuses) == {"200"} and not any(state["dropped_rows"].values())


def main() -> None:
    """Start, measure, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_profile(f"{folder}/reference.state")
        process, port = start(
            "serve", "benchmarks.load:classify", "-r", f"{folder}/reference.state",
            "--folder", str(Path(folder, "var")), "--window", "250",
        )  # fmt: skip
        try:
            good = asyncio.run(measure(process, port, options.seconds))
            good &= process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
