"""Two served replicas on one PostgreSQL: what a person tells one of them, the other does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.postgres import postgres_server
from tests.service.test_deployed_model import FREE_PORTS, start
from tests.service.test_kept import seen, send, wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def replicas(trained_model_path: Path, tmp_path: Path) -> Iterator[list[tuple[httpx.Client, str]]]:
    """A client of each, and where its metrics are."""
    with postgres_server() as server:
        url = server.database()
        processes = [
            start(
                "--model",
                trained_model_path,
                *FREE_PORTS,
                OMP_NUM_THREADS="1",
                DRIFTLEAD_STORAGE__FOLDER=str(tmp_path / str(number)),
                DRIFTLEAD_STORAGE__URL=url,
                DRIFTLEAD_MONITOR__SAVE_EVERY_SECONDS="0.3",
            )
            for number in range(2)
        ]
        clients = []
        try:
            for process in processes:
                said = json.loads(process.stderr.readline())
                client = httpx.Client(base_url=said["url"], trust_env=False, timeout=20)
                clients.append((client, said["metrics_url"]))
            yield clients
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.communicate(timeout=30)
            for client, _ in clients:
                client.close()


def references(client: httpx.Client, metrics_url: str) -> set[str]:
    """Digests of the reference that the bins of this replica count for."""
    lines = client.get(metrics_url).text.splitlines()
    counted = [line for line in lines if line.startswith("driftlead_signal_bin_observations_total{")]
    return {line.split('reference="')[1].split('"')[0] for line in counted}


def test_the_other_replica_hears_of_it(replicas):
    (asked, _), (owner, _) = replicas
    images = load_digits().images[np.random.default_rng(1).permutation(1_797)]
    send(owner, "clean", images[:200])
    for number in range(4):
        send(owner, f"drifted-{number}", images[200 + 50 * number :][:50, ::-1])
    wait_until(lambda: seen(owner)["episodes"])
    (episode,) = seen(owner)["episodes"]
    path = f"/api/v1/episodes/{episode['id']}"
    wait_until(lambda: asked.get(path).status_code == 200)

    assert asked.post(f"{path}/acknowledge", json={"by": "mia"}).json()["acknowledged_by"] == "mia"
    wait_until(lambda: [each["acknowledged_by"] for each in seen(owner)["episodes"]] == ["mia"])
    assert asked.post(f"{path}/resolve", json={"by": "tom"}).json()["resolution"] == "closed"
    wait_until(lambda: not seen(owner)["episodes"])
    for client, _ in replicas:
        known = client.get(path).json()
        assert (known["acknowledged_by"], known["resolved_by"], known["status"]) == ("mia", "tom", "resolved")

    (trained,) = {name for replica in replicas for name in references(*replica)}
    assert asked.post("/api/v1/rebaseline", json={"by": "mia", "rows": 500}).status_code == 202
    for number in range(10):
        send(asked, f"new-{number}", images[500 + 50 * number :][:50, ::-1])
    wait_until(lambda: trained not in references(*replicas[0]) | references(*replicas[1]))
    assert references(*replicas[0]) == references(*replicas[1])
