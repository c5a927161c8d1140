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
        Told what is being measured.
    """

    def asked(package: str, work: str, size: int) -> dict[str, Probe]:
        if package not in peers:
            return {}
        return {f"{work}@{size}": peers[package].probe(work, size, sizes.peer_milliseconds)}

    got: dict[str, float] = {}
    for size in sizes.growth:
        say(f"KS at n = w = {size}")
        probes = ours.ks(size, sizes.values)
        for package, work, largest in PEER_KS:
            if size <= largest:
                probes |= asked(package, work, size)
        got |= in_turn(probes, sizes.rounds)
    say("Page-Hinkley")
    got |= in_turn(ours.page_hinkley(sizes) | asked("river", "river_page_hinkley", 1), sizes.rounds)
    say("NM-DDM")
    got |= in_turn(ours.nmddm(sizes), sizes.rounds)
    say("all three on a block of rows")
    got |= in_turn(ours.block(sizes), sizes.rounds)
    say("all three on one row at a time")
    for signals in (1, sizes.row):
        got |= in_turn(ours.row(sizes, signals) | asked("river", "river_page_hinkley", signals), sizes.rounds)
    say("memory and start")
    got |= footprint.memory(sizes.reference, sizes.block[1])
    got |= footprint.startup(STARTS if sizes.rounds > 1 else 1)
    return got
