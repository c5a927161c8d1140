"""What monitoring costs a served model: latency at half of saturation, and throughput at saturation.

    python -m benchmarks.overhead            both, in about ten minutes; Linux only
    python -m benchmarks.overhead --rounds 2 shorter

Services of the same ``model.pt`` run side by side, half of them unwatched. Load goes to one at a time, in
short turns, so that whatever else the machine does falls on all alike. There are several of each kind, and
new ones every round, as two processes that do the same differ for as long as they live, by up to a third, by
where their memory lies. Each ratio is the median over the rounds. The processor's time for a request, which
has no aim, is the least of these figures to depend on how busy the machine is otherwise.

Processes of the lowest priority keep the processors awake meanwhile: a virtual one that falls asleep between
two requests wakes when its host finds time, which at half of saturation would be most of what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track

from model.artefact import load as load_model

ROOT = Path(__file__).parents[1]
CONNECTIONS = 8
KINDS = ("watched", "unwatched")
SERVICES = 3  # of each kind
TURN_SECONDS, SETTLE_SECONDS = 2.0, 0.5
BARS = {"p50": 1.05, "p99": 1.15, "throughput": 0.93}
TICK = os.sysconf("SC_CLK_TCK")


class Service(NamedTuple):
    """A running service: its process and the port that it listens on."""

    process: subprocess.Popen[str]
    port: int

    def busy_seconds(self) -> float:
        """The processor's time that the process has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def start(folder: Path, *, enabled: bool) -> Service:
    """Start a service on a free port."""
    environment = {
        **os.environ,
        "DRIFTLEAD_MONITOR__ENABLED": "true" if enabled else "false",
        "DRIFTLEAD_STORAGE__FOLDER": str(folder),
    }
    process = subprocess.Popen(
        [sys.executable, "deployed_model.py", "--port", "0", "--metrics-port", "0"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and (said := json.loads(line)).get("event") == "serving":
            return Service(process, int(said["url"].rsplit(":", 1)[1]))
    raise SystemExit("the service did not start")


#: Every id is new, as in use: a prediction whose id is known costs the database next to nothing.
IDS = itertools.count(10**9)
ID = "%010d"


def requests(model: Path = ROOT / "model.pt", passes: int = 20) -> list[bytes]:
    """One HTTP request for each row of shuffled passes through the hold-out split, with a place for its id.

    Other rows would be drift: the network is surer of what it was trained on, and in the order of the
    data set one writer follows another. What a monitor costs while it drifts is another figure.
    """
    artefact = load_model(model)
    rows = artefact.dataset().features[artefact.splits.holdout]
    rng = np.random.default_rng(0)
    found = []
    for index in np.concatenate([rng.permutation(len(rows)) for _ in range(passes)]):
        shape = [1, *artefact.input_shape]
        tensor = {"name": "input", "shape": shape, "datatype": "FP32", "data": rows[index].ravel().tolist()}
        body = json.dumps({"id": ID, "inputs": [tensor]})
        head = (
            "POST /v2/models/digits/infer HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {len(body) - len(ID) + 10}\r\n\r\n"
        )
        found.append((head + body).encode())
    return found


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """Send one request and take its answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"the service answered {head[:60]!r}")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)


async def load(port: int, texts: list[bytes], seconds: float, rate: float | None) -> tuple[list[float], int]:
    """Send requests over a few connections, as fast as they are answered or at a rate.

    Returns
    -------
    latencies : list of float
        Seconds of each answer but those of the first `SETTLE_SECONDS`; at a rate they count from when its
        request was due. ``seconds`` follow.
    answered : int
        All requests, those of the beginning among them.
    """
    latencies: list[float] = []
    answered = 0
    began = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        rng = np.random.default_rng()
        turn = int(rng.integers(len(texts)))
        due = began
        while True:
            if rate is not None:
                due += rng.exponential(CONNECTIONS / rate)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = due if rate is not None else time.perf_counter()
            if asked - began > SETTLE_SECONDS + seconds:
                break
            await ask(reader, writer, texts[turn % len(texts)] % next(IDS))
            answered += 1
            if asked - began > SETTLE_SECONDS:
                latencies.append(time.perf_counter() - asked)
            turn += CONNECTIONS
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return latencies, answered


@contextmanager
def running(folder: Path) -> Iterator[list[tuple[str, Service]]]:
    """Run watched and unwatched services, by turns in the list too."""
    services: list[tuple[str, Service]] = []
    try:
        for number in range(SERVICES):
            for kind in KINDS:
                service = start(folder / f"{kind}{number}", enabled=kind == "watched")
                services.append((kind, service))
        yield services
    finally:
        for _, service in services:
            service.process.terminate()
        for _, service in services:
            service.process.wait(60)


@contextmanager
def awake_processors() -> Iterator[None]:
    """Keep every processor busy with what gives way to all else; it ends with this process."""
    program = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    idlers = []
    try:
        for _ in os.sched_getaffinity(0):
            idlers.append(subprocess.Popen([sys.executable, "-c", program]))
            os.sched_setscheduler(idlers[-1].pid, os.SCHED_IDLE, os.sched_param(0))
        yield
    finally:
        for idler in idlers:
            idler.kill()
            idler.wait()


def measure(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the ratios of each round, watched over unwatched."""
    texts = requests()
    ratios: dict[str, list[float]] = {name: [] for name in (*BARS, "busy")}
    for _ in track(range(rounds), description="rounds"):
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as services:
            for _, service in services:
                asyncio.run(load(service.port, texts, SETTLE_SECONDS, None))
            loaded, busy = in_turns(services, texts, seconds, None)
            full = {kind: len(found) / seconds / SERVICES for kind, found in loaded.items()}
            half = full["unwatched"] / 2
            paced, _ = in_turns(services, texts, seconds, half)
            seen = watched_state([service for kind, service in services if kind == "watched"])
        shares = {
            kind: {share: float(np.percentile(found, share)) * 1e3 for share in (50, 99)}
            for kind, found in paced.items()
        }
        ratios["throughput"].append(full["watched"] / full["unwatched"])
        ratios["busy"].append(busy["watched"] / busy["unwatched"])
        for share in (50, 99):
            ratios[f"p{share}"].append(shares["watched"][share] / shares["unwatched"][share])
        print(
            f"  {full['watched']:.0f} of {full['unwatched']:.0f} requests/s,"
            f" {busy['watched'] * 1e3:.3f} of {busy['unwatched'] * 1e3:.3f} ms of the processor each;"
            f" at {half:.0f}/s "
            + ", ".join(
                f"p{share} {shares['watched'][share]:.2f} of {shares['unwatched'][share]:.2f} ms"
                for share in (50, 99)
            )
            + f"; {seen}"
        )
    return ratios


def watched_state(services: list[Service]) -> str:
    """Say what the monitors have seen: drift, lost rows and errors would spoil the comparison."""
    found: Counter[str] = Counter()
    for service in services:
        with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/api/v1/monitor") as answer:
            seen = json.load(answer)
        found["rows"] += seen["rows"]
        found["alarms"] += len(seen["alarms"])
        found["dropped"] += sum(seen["dropped_rows"].values())
        found["errors"] += sum(seen["errors"].values())
    return ", ".join(f"{count} {name}" for name, count in found.items())


def in_turns(
    services: list[tuple[str, Service]], texts: list[bytes], seconds: float, rate: float | None
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Load the services in turns, each for ``seconds`` in all; return latencies and busy seconds a request.

    A turn counts once rows that gathered before are being watched, and the next begins when its own are:
    no service pays for the other's.
    """
    turns = max(1, round(seconds / TURN_SECONDS))
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    busy, requests_of = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0)
    for turn in range(turns):
        for kind, service in services if turn % 2 else reversed(services):
            before = service.busy_seconds()
            latencies, answered = asyncio.run(load(service.port, texts, seconds / turns, rate))
            time.sleep(SETTLE_SECONDS)
            found[kind] += latencies
            busy[kind] += service.busy_seconds() - before
            requests_of[kind] += answered
    return found, {kind: busy[kind] / requests_of[kind] for kind in KINDS}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="of each kind of load, per service and round"
    )
    options = parser.parse_args()
    with awake_processors():
        ratios = measure(options.rounds, options.seconds)
    for name, values in ratios.items():
        middle = statistics.median(values)
        said = f"{name:10} {middle:.3f} (rounds {min(values):.3f} to {max(values):.3f})"
        if name in BARS:
            kept = middle >= BARS[name] if name == "throughput" else middle <= BARS[name]
            said += f", aim {BARS[name]}: {'kept' if kept else 'MISSED'}"
        print(said)


if __name__ == "__main__":
    main()
