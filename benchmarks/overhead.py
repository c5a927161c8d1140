"""What monitoring costs a served model: latency at half of saturation, and throughput at saturation.

    python -m benchmarks.overhead            both, in about two minutes
    python -m benchmarks.overhead --rounds 2 shorter

Two services of the same ``model.pt`` run side by side, one of them unwatched. Load goes to one at a time, in
turns, so that whatever else the machine does falls on both alike. Each ratio is the median over the rounds.
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
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]
CONNECTIONS = 8
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


def requests() -> list[bytes]:
    """One HTTP request for each digit, with a place for its id."""
    found = []
    for image in load_digits().images:
        tensor = {"name": "input", "shape": [1, 8, 8], "datatype": "FP32", "data": image.ravel().tolist()}
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


async def load(
    port: int, texts: list[bytes], seconds: float, rate: float | None
) -> tuple[float, list[float]]:
    """Send requests over a few connections, as fast as they are answered or at a rate.

    Returns
    -------
    throughput : float
        Answers per second.
    latencies : list of float
        Seconds of each; at a rate they count from when a request was due.
    """
    latencies: list[float] = []
    began = time.perf_counter()

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        rng = np.random.default_rng(number)
        due = began
        while True:
            if rate is not None:
                due += rng.exponential(CONNECTIONS / rate)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = due if rate is not None else time.perf_counter()
            if asked - began > seconds:
                break
            await ask(reader, writer, texts[turn % len(texts)] % next(IDS))
            latencies.append(time.perf_counter() - asked)
            turn += CONNECTIONS
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return len(latencies) / (time.perf_counter() - began), latencies


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    ports: dict[str, int], pids: dict[str, int], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Return the ratios of each round, watched over unwatched."""
    texts = requests()
    for port in ports.values():
        asyncio.run(load(port, texts, seconds / 2, None))
    ratios: dict[str, list[float]] = {name: [] for name in BARS}
    half = None
    for number in track(range(rounds), description="rounds"):
        order = list(ports) if number % 2 else list(reversed(ports))
        full, cpu = {}, {}
        for name in order:
            before = cpu_seconds(pids[name])
            full[name], latencies = asyncio.run(load(ports[name], texts, seconds, None))
            cpu[name] = (cpu_seconds(pids[name]) - before) / len(latencies)
        half = half or full["unwatched"] / 2
        paced = {name: asyncio.run(load(ports[name], texts, seconds, half))[1] for name in order}
        ratios["throughput"].append(full["watched"] / full["unwatched"])
        for name, share in (("p50", 50), ("p99", 99)):
            both = {key: float(np.percentile(paced[key], share)) for key in ports}
            ratios[name].append(both["watched"] / both["unwatched"])
        print(
            f"  {full['watched']:.0f} of {full['unwatched']:.0f} requests/s,"
            f" CPU {cpu['watched'] * 1e3:.2f} of {cpu['unwatched'] * 1e3:.2f} ms each; at {half:.0f}/s p50 "
            + " of ".join(f"{np.percentile(paced[name], 50) * 1e3:.2f}" for name in ("watched", "unwatched"))
            + " ms, p99 "
            + " of ".join(f"{np.percentile(paced[name], 99) * 1e3:.2f}" for name in ("watched", "unwatched"))
            + " ms"
        )
    return ratios


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="of each kind of load, per service and round"
    )
    options = parser.parse_args()
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            ports = {}
            for name in ("watched", "unwatched"):
                process, ports[name] = start(Path(folder) / name, enabled=name == "watched")
                processes.append(process)
            pids = {name: process.pid for name, process in zip(ports, processes, strict=True)}
            ratios = measure(ports, pids, options.rounds, options.seconds)
            with urllib.request.urlopen(f"http://127.0.0.1:{ports['watched']}/api/v1/monitor") as answer:
                seen = json.load(answer)
            print(f"rows watched {seen['rows']}, dropped {seen['dropped_rows']}, errors {seen['errors']}")
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
