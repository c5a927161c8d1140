"""What monitoring costs a served model: latency at half of saturation, and throughput at saturation.

    python -m benchmarks.overhead            both, in about four minutes
    python -m benchmarks.overhead --rounds 2 shorter

Two services of the same ``model.pt`` run side by side, one of them unwatched. Load goes to one at a time, in
short turns, so that whatever else the machine does falls on both alike. Each ratio is the median over
the rounds, each of which pools its turns.
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
from pathlib import Path

import numpy as np
from rich.progress import track

from model.artefact import load as load_model

ROOT = Path(__file__).parents[1]
CONNECTIONS = 8
TURN_SECONDS, SETTLE_SECONDS = 2.0, 0.5
BARS = {"p50": 1.05, "p99": 1.15, "throughput": 0.93}


def start(folder: Path, *, enabled: bool) -> tuple[subprocess.Popen[str], int]:
    """Start a service on a free port; return its process and the port."""
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
            return process, int(said["url"].rsplit(":", 1)[1])
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


async def load(port: int, texts: list[bytes], seconds: float, rate: float | None) -> list[float]:
    """Send requests over a few connections, as fast as they are answered or at a rate.

    What is answered in the first `SETTLE_SECONDS` is not counted; ``seconds`` follow.

    Returns
    -------
    list of float
        Seconds of each answer; at a rate they count from when its request was due.
    """
    latencies: list[float] = []
    began = time.perf_counter()

    async def client(number: int) -> None:
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
            if asked - began > SETTLE_SECONDS:
                latencies.append(time.perf_counter() - asked)
            turn += CONNECTIONS
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return latencies


def measure(ports: dict[str, int], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the ratios of each round, watched over unwatched."""
    texts = requests()
    for port in ports.values():
        asyncio.run(load(port, texts, seconds, None))
    ratios: dict[str, list[float]] = {name: [] for name in BARS}
    half = None
    for _ in track(range(rounds), description="rounds"):
        full = {name: len(found) / seconds for name, found in in_turns(ports, texts, seconds, None).items()}
        half = half or full["unwatched"] / 2
        paced = in_turns(ports, texts, seconds, half)
        shares = {
            name: {share: float(np.percentile(found, share)) * 1e3 for share in (50, 99)}
            for name, found in paced.items()
        }
        ratios["throughput"].append(full["watched"] / full["unwatched"])
        for share in (50, 99):
            ratios[f"p{share}"].append(shares["watched"][share] / shares["unwatched"][share])
        print(
            f"  {full['watched']:.0f} of {full['unwatched']:.0f} requests/s;"
            f" at {half:.0f}/s "
            + ", ".join(
                f"p{share} {shares['watched'][share]:.2f} of {shares['unwatched'][share]:.2f} ms"
                for share in (50, 99)
            )
        )
    return ratios


def in_turns(
    ports: dict[str, int], texts: list[bytes], seconds: float, rate: float | None
) -> dict[str, list[float]]:
    """Load the services in turns, each for ``seconds`` in all; return their latencies.

    A turn counts once rows that gathered before are being watched, and the next begins when its own are:
    no service pays for the other's.
    """
    turns = max(1, round(seconds / TURN_SECONDS))
    found: dict[str, list[float]] = {name: [] for name in ports}
    for turn in range(turns):
        for name in list(ports) if turn % 2 else reversed(ports):
            found[name] += asyncio.run(load(ports[name], texts, seconds / turns, rate))
            time.sleep(SETTLE_SECONDS)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of each kind of load, per service and round"
    )
    options = parser.parse_args()
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            ports = {}
            for name in ("watched", "unwatched"):
                process, ports[name] = start(Path(folder) / name, enabled=name == "watched")
                processes.append(process)
            ratios = measure(ports, options.rounds, options.seconds)
            with urllib.request.urlopen(f"http://127.0.0.1:{ports['watched']}/api/v1/monitor") as answer:
                seen = json.load(answer)
            alarms, episodes = len(seen["alarms"]), len(seen["episodes"])
            print(
                f"rows watched {seen['rows']}, alarms {alarms}, episodes {episodes}, "
                f"dropped {seen['dropped_rows']}, errors {seen['errors']}"
            )
        finally:
            for process in processes:
                process.terminate()
                process.wait(20)
    for name, values in ratios.items():
        middle = statistics.median(values)
        kept = middle >= BARS[name] if name == "throughput" else middle <= BARS[name]
        print(
            f"{name:10} {middle:.3f} (rounds {min(values):.3f} to {max(values):.3f}), bar {BARS[name]}:"
            f" {'kept' if kept else 'MISSED'}"
        )


if __name__ == "__main__":
    main()
