"""What became of labels that came in."""

from __future__ import annotations

from dataclasses import astuple, dataclass

__all__ = ["FeedbackOutcome"]


@dataclass(frozen=True, slots=True)
class FeedbackOutcome:
    """What became of some labels.

    Attributes
    ----------
    matched : int
        They found their prediction.
    late : int
        They found their prediction, made longer ago than labels are waited for: kept, but neither measured
        nor watched, for they tell of another time.
    duplicate : int
        Their prediction had a label already; the first one stands.
    unmatched : int
        No such prediction is known, or no longer. If it comes within the time that the store keeps such
        labels, they count as matched then.
    """

    matched: int = 0
    late: int = 0
    duplicate: int = 0
    unmatched: int = 0

    def __add__(self, other: FeedbackOutcome) -> FeedbackOutcome:
        return FeedbackOutcome(*map(sum, zip(astuple(self), astuple(other), strict=True)))
