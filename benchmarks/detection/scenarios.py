"""How data are before they change, and what then happens to them."""

from __future__ import annotations

from driftlead.benchmark import Drawn, Scenario, draw
from driftlead.streams import autoregressive, correlation, location, scale, sea, shape


def normal(seed: int) -> Drawn:
    return draw(
        {
            "+0.5 sd": (location(0.5), "sudden", 1),
            "+1 sd": (location(1.0), "sudden", 1),
            "scale ×1.5": (scale(1.5), "sudden", 1),
            "two humps": (shape("bimodal"), "sudden", 1),
            "ramp to +1 sd": (location(1.0), "ramp", 500),
            "gradual +1 sd": (location(1.0), "gradual", 500),
        },
        seed,
    )


def heavy_tails(seed: int) -> Drawn:
    return draw({"+0.5 sd": (location(0.5, margin="t3"), "sudden", 1)}, seed)


def dependent(seed: int) -> Drawn:
    return draw({"+1 sd": (location(1.0, noise=autoregressive(0.6)), "sudden", 1)}, seed)


def pair(seed: int) -> Drawn:
    return draw({"correlation .8": (correlation(0.8), "sudden", 1)}, seed)


def errors(seed: int) -> Drawn:
    return draw({"10 to 20 %": (sea(), "sudden", 1)}, seed, errors=True)


SCENARIOS = (
    Scenario("normal", normal),
    Scenario("t with 3 df", heavy_tails),
    Scenario("AR(1) 0.6", dependent),
    Scenario("normal pair", pair),
    Scenario("errors (SEA)", errors, takes="errors"),
)
