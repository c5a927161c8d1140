"""Bad requests by the hundred thousand over real HTTP: no failure of the service, no hang, no leak.

    python -m benchmarks.fuzz                      10 000 requests; about a quarter of a minute
    python -m benchmarks.fuzz --requests 100000

Half go to ``driftlead serve``, half to ``driftlead watch``: good requests with damage, JSON of all kinds,
random bytes, gzip that is none, headers that lie. Told are the answers by status, the slowest, and the memory
of both services. The exit code is 1 if anything was answered with 500, or not at all; those are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import Progress

from driftlead.reference import ReferenceProfile
from driftlead.signals import feature_signals

CONNECTIONS = 8
LONGEST_SECONDS = 15.0
TENSOR = {"name": "input", "shape": [1, 3], "datatype": "FP32", "data": [0.5, -1.0, 2.0]}
GOOD = [
    ("/v2/models/by_rows/infer", {"id": "7", "inputs": [TENSOR], "outputs": [{"name": "value"}]}),
    ("/v1/models/by_rows:predict", {"instances": [[0.5, -1.0, 2.0]]}),
    ("/feedback", [{"id": "7", "label": 1.5}, {"id": "8", "labels": [1, 2]}]),
    ("/api/v1/alerts", {"alerts": [{"status": "firing", "labels": {"alertname": "a"}}]}),
    ("/api/v1/rebaseline", {"by": "x", "rows": 5}),
    ("/api/v1/episodes/1/acknowledge", {"by": "x", "note": "y"}),
    ("/events", {"specversion": "1.0", "id": "7", "type": "a.request", "data": {"inputs": [TENSOR]}}),
]
PIECES = [
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"[",
    b"]",
    b"-",
    b"1e999",
    b"NaN",
    b"\\ud800",
    b"\x00",
    b"\xff",
    b"9" * 400,
]
KEYS = ["inputs", "id", "outputs", "name", "shape", "datatype", "data", "parameters", "label", "by", "type"]
HEADERS = [
    b"Content-Encoding: gzip",
    b"Content-Encoding: br",
    b"Inference-Header-Content-Length: 50",
    b"Inference-Header-Content-Length: -1",
    b"Content-Type: application/cloudevents+json",
    b"Content-Type: application/cloudevents-batch+json",
    b"ce-id: 7\r\nce-type: x.request\r\nce-specversion: 1.0",
    b"ce-id: 7\r\nce-type: x.response\r\nce-specversion: 1.0",
    b"X-Request-Id: \xff\xfe",
    b"Authorization: Bearer \xe9",
    b"Accept: text/html",
]


def bad_request(rng: random.Random) -> bytes:
    """Make one request that is wrong somewhere, most likely."""
    path, document = rng.choice(GOOD)
    body = json.dumps(document).encode()
    match rng.randrange(5):
        case 0:
            body = rng.randbytes(rng.randrange(300))
        case 1:
            body = json.dumps(_any_json(rng, 4)).encode("utf-8", "surrogatepass")
        case 2:
            body = gzip.compress(body)[: rng.randrange(60)]
        case _:
            for _ in range(rng.randrange(1, 4)):
                start = rng.randrange(len(body) + 1)
                body = body[:start] + rng.choice(PIECES) + body[start + rng.randrange(9) :]
    if rng.random() < 0.1:
        path = "/" + "".join(rng.choice("abv2/%:.é?") for _ in range(12))
    method = rng.choice([b"POST"] * 9 + [b"GET", b"HEAD", b"DELETE"])
    lines = [method + b" " + path.encode() + b" HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body)]
    lines += rng.sample(HEADERS, rng.randrange(3))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _any_json(rng: random.Random, depth: int) -> object:
    kind = rng.randrange(9 if depth else 6)
    if kind < 6:
        return rng.choice([None, True, -1, 10**30, 1.5, "x" * rng.randrange(30), "input", "FP32", [1, 3]])
    if kind == 6:
        return [_any_json(rng, depth - 1) for _ in range(rng.randrange(5))]
    keys = [
        "inputs",
        "id",
        "outputs",
        "name",
        "shape",
        "datatype",
        "data",
        "parameters",
        "label",
        "by",
        "type",
    ]
    return {rng.choice(keys): _any_json(rng, depth - 1) for _ in range(rng.randrange(5))}


class Outcome:
    """Answers by status, and the seconds that the slowest took."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.slowest = 0.0

    @property
    def failed(self) -> bool:
        """Whether there is something to mend."""
        return bool(self.statuses["500"] or self.statuses["no answer"])


async def send(port: int, requests: int, seed: int, outcome: Outcome, step: Callable[[], object]) -> None:
    """Send requests one after the other, over as few connections as the service allows."""
    rng = random.Random(seed)
    writer = None
    for _ in range(requests):
        request = bad_request(rng)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                if not request.startswith(b"HEAD"):
                    await reader.readexactly(int(length or 0))
            status = head.split()[1].decode()
            if b"connection: close" in head.lower():
                writer.close()
                writer = None
        except TimeoutError:
            status, writer = "no answer", None
        except (OSError, asyncio.IncompleteReadError):
            status, writer = "hung up", None
        outcome.statuses[status] += 1
        outcome.slowest = max(outcome.slowest, time.perf_counter() - began)
        if status in ("500", "no answer"):
            print(status, request[:400])
        step()


def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start a service; return its process and its port."""
    command = [sys.executable, "-c", "from driftlead.cli import app; app()", *arguments]
    process = subprocess.Popen(
        [*command, "--port", "0", "--metrics-port", "0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and (said := json.loads(line)).get("event") == "serving":
            return process, int(said["url"].rsplit(":", 1)[1])
    raise SystemExit("the service did not start")


def resident_mebibytes(process: subprocess.Popen[str]) -> float:
    """Memory of a process that is in use."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 / 2**20


def by_rows(rows: np.ndarray) -> np.ndarray:
    """The model."""
    return rows.sum(axis=1)


def main() -> None:
    """Send and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        reference = f"{folder}/reference.state"
        rows = np.random.default_rng(0).normal(size=(1_000, 3))
        ReferenceProfile.from_rows(feature_signals(["a", "b", "c"]), rows, model_hash="").save(reference)
        for command in (
            ("serve", "benchmarks.fuzz:by_rows", "-r", reference),
            ("watch", "--model", "m", "-r", reference),
        ):
            process, port = start(*command)
            try:
                found = asyncio.run(_fuzz(process, port, options.requests // 2, options.seed, command[0]))
                failed |= found or process.wait(30) != 0
            finally:
                process.kill()
                process.wait()
    sys.exit(1 if failed else 0)


async def _fuzz(process: subprocess.Popen[str], port: int, requests: int, seed: int, name: str) -> bool:
    outcome = Outcome()
    # What it logs is read, else it would wait for a reader.
    log = asyncio.get_running_loop().run_in_executor(None, lambda: sum(1 for _ in process.stderr or ()))
    with Progress() as progress:
        task = progress.add_task(name, total=requests)

        async def send_all(count: int, seed: int) -> None:
            share = count // CONNECTIONS
            step = partial(progress.advance, task)
            await asyncio.gather(
                *(send(port, share, seed + number, outcome, step) for number in range(CONNECTIONS))
            )

        # The first tenth fills what is kept for ever: caches, allocators' arenas.
        await send_all(requests // 10, 1_000 + seed)
        before = resident_mebibytes(process)
        await send_all(requests - requests // 10, 2_000 + seed)
    after = resident_mebibytes(process)
    print(f"{name}: {dict(sorted(outcome.statuses.items()))}, slowest {outcome.slowest:.2f} s")
    print(f"{name}: {before:.0f} MiB after a tenth of the requests, {after:.0f} MiB after all")
    process.send_signal(signal.SIGTERM)
    print(f"{name}: {await log} lines logged")
    return outcome.failed


if __name__ == "__main__":
    main()
