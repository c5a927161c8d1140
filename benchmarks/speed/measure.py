"""Everything in one run: ours and the peers' work in turn, on one machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.speed import footprint, ours
from benchmarks.speed.clock import Probe, in_turn
from benchmarks.speed.ours import Sizes
from benchmarks.speed.peer import Peer

PEER_KS = (
    ("river", "river_ks", 31_623),  # minutes to fill beyond
    ("frouros", "frouros_ks", 10_000),  # raises IndexError beyond
    ("scipy", "scipy_ks", 100_000),
)
"""Package, its work, and the largest size that it is measured at."""

STARTS = 5


def measure(
    sizes: Sizes, peers: Mapping[str, Peer], say: Callable[[str], None] = lambda _: None
) -> dict[str, float]:
    """Return what was measured, by name: ns per value, bytes per signal, or seconds.

    Parameters
    ----------
    sizes : Sizes
    peers : mapping
        The peer that has each package; packages that are not in it are left out.
    say : callable
        Told what is being done.
    """

    def asked(package: str, work: str, size: int) -> dict[str, Probe]:
        if package not in peers:
            return {}
        return {f"{work}@{size}": peers[package].probe(work, size, sizes.peer_milliseconds)}

    say("filling windows")
    probes: dict[str, Probe] = {}
    for size in sizes.growth:
        probes |= ours.ks(size, sizes.values)
        for package, work, largest in PEER_KS:
            if size <= largest:
                probes |= asked(package, work, size)
    probes |= ours.page_hinkley(sizes) | asked("river", "river_page_hinkley", 1)
    probes |= ours.nmddm(sizes) | ours.block(sizes) | ours.row(sizes, 1)
    probes |= ours.row(sizes, sizes.row) | asked("river", "river_page_hinkley", sizes.row)
    got = in_turn(probes, sizes.rounds, say)
    say("memory and start")
    got |= footprint.memory(sizes.reference, sizes.block[1])
    got |= footprint.startup(STARTS if sizes.rounds > 1 else 1)
    return got
