"""Conformance checks that every detector must pass: ours, and anyone's who builds on `Detector`.

Put one line in a test of your own::

    check_detector(lambda: MyDetector(reference, window=100))
"""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftlead import state as state_file
from driftlead.detectors import Detector, Trace
from driftlead.errors import DriftleadError, InvalidDataError, InvalidParameterError, StateError

__all__ = ["check_detector"]

_KEPT_BYTES = 64 * 1024  # what a bounded detector may still pick up after its windows are full


def check_detector(
    factory: Callable[[], Detector],
    *,
    rejected: Iterable[Callable[[], object]] = (),
    rows: int = 400,
    memory_rows: int = 1_000_000,
    seed: int = 0,
) -> None:
    """Check that the detectors a factory makes keep every promise of `Detector`.

    Inputs stay untouched; a batch says what its rows one by one say, however it is cut; equal input
    gives equal output; state goes through a file in mid-stream and continues bit for bit; reset gives
    a new detector; a NaN is counted and passed over; infinities and constants break nothing; malformed
    rows are refused and leave no trace; memory stays as it is, however long the stream.

    Parameters
    ----------
    factory : callable
        Returns a new detector, each time with the same parameters.
    rejected : iterable of callables
        Each constructs a detector with an impossible parameter, and must raise
        `InvalidParameterError`.
    rows : int
        Length of the streams; take more than fills the detector's windows.
    memory_rows : int
        Length of the stream on which memory is measured.
    seed : int
        Seed of the streams.

    Raises
    ------
    AssertionError
        A promise is broken; the message says which.

    Examples
    --------
    >>> from driftlead.detectors import PageHinkley
    >>> check_detector(lambda: PageHinkley(threshold=8.0), memory_rows=10_000)
    """
    rng = np.random.default_rng(seed)
    usual = _usual_values(factory(), rows, rng)
    stream = usual + np.where(np.arange(rows)[:, np.newaxis] < rows // 2, 0.0, 1.5)
    gaps = np.where(rng.random(stream.shape) < 0.1, np.nan, stream)
    streams = {"numbers": stream, "gaps": gaps, "ties": np.round(gaps)}
    for name, values in streams.items():
        _check_reading(factory, values, name)
        _check_chunks(factory, values, name)
        _check_state(factory, values, name)
        _check_reset(factory, values, name)
    _check_located(factory, gaps)
    _check_missing(factory, usual)
    _check_extremes(factory, usual)
    _check_bad_rows(factory, stream)
    _check_bad_states(factory, stream)
    _check_rejected(rejected)
    _check_memory(factory, np.tile(usual, (-(-10_000 // rows), 1))[:10_000], memory_rows)


def _usual_values(detector: Detector, rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return rows as the detector knows them: drawn from its reference, or standard normal."""
    reference = detector.reference
    if reference is None:
        return rng.normal(size=(rows, detector.n_signals))
    columns = []
    for j in range(detector.n_signals):
        at = rng.integers(reference.sizes[j], size=rows)
        columns.append(
            reference.distinct(j)[np.searchsorted(reference.counts_up_to(j)[1:], at, side="right")]
        )
    return np.column_stack(columns)


def _far(rows: int, signals: int) -> NDArray[np.float64]:
    """Return rows that rise far beyond anything usual."""
    return 1000.0 + np.arange(rows)[:, np.newaxis] * np.ones(signals)


def _require(condition: object, promise: str) -> None:
    if not condition:
        raise AssertionError(promise)


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _same_trace(one: Trace, other: Trace) -> bool:
    if (one.change_point is None) != (other.change_point is None):
        return False
    changes = one.change_point is None or _same(one.change_point, other.change_point)  # type: ignore[arg-type]
    return changes and _same(one.statistic, other.statistic) and _same(one.alarm, other.alarm)


def _check_reading(factory: Callable[[], Detector], values: NDArray[np.float64], name: str) -> None:
    """Trace and properties have the documented shapes and agree; inputs and outputs are apart."""
    detector, given = factory(), values.copy()
    given.flags.writeable = False
    fresh = detector.statistic
    trace = detector.update_many(given)
    _require(_same(given, values), f"update_many changes its input ({name})")
    _require(trace.statistic.shape == trace.alarm.shape == values.shape, "a trace has one entry per value")
    _require(trace.alarm.dtype == np.bool_, "alarms are booleans")
    _require(not np.isnan(trace.statistic).any(), f"the statistic is never NaN ({name})")
    _require(
        _same(trace.alarm, trace.statistic > detector.threshold), "an alarm is a statistic over its threshold"
    )
    _require(_same(detector.statistic, trace.statistic[-1]), "statistic is the latest row's")
    _require(_same(detector.alarms, trace.alarm[-1]), "alarms are the latest row's")
    _require(detector.n_seen == len(values), "n_seen counts rows")
    _require(_same(detector.missing, np.isnan(values).sum(axis=0)), f"missing counts NaN ({name})")
    _require(_same(fresh, factory().statistic), "a statistic once read does not change later")
    for array in (detector.statistic, detector.threshold, detector.alarms, detector.missing):
        _require(array.shape == (detector.n_signals,), "properties have one entry per signal")
        _require(not array.flags.writeable, "properties are read-only")


def _check_chunks(factory: Callable[[], Detector], values: NDArray[np.float64], name: str) -> None:
    """Whole, cut up, row by row, or strided: the same bits; a second detector: the same bits."""
    whole = factory().update_many(values)
    _require(_same_trace(whole, factory().update_many(values)), f"equal input gives equal output ({name})")
    _require(
        _same_trace(whole, factory().update_many(np.asfortranarray(values))),
        f"the layout of the input does not matter ({name})",
    )
    cut = factory()
    edges = [0, 0, 1, 3, len(values) // 3, len(values) // 2, len(values)]
    parts = [cut.update_many(values[a:b]) for a, b in itertools.pairwise(edges)]
    joined = np.concatenate([part.statistic for part in parts])
    _require(_same(joined, np.ascontiguousarray(whole.statistic)), f"chunks do not matter ({name})")
    single = factory()
    for row, statistic, alarm in zip(values, whole.statistic, whole.alarm, strict=True):
        said = single.update(row)
        _require(said is bool(alarm.any()), f"update says whether any signal alarms ({name})")
        _require(
            _same(single.statistic, np.ascontiguousarray(statistic)), f"update equals update_many ({name})"
        )
        _require(_same(single.alarms, np.ascontiguousarray(alarm)), f"update equals update_many ({name})")


def _check_state(factory: Callable[[], Detector], values: NDArray[np.float64], name: str) -> None:
    """States taken at any time, through a file and back, continue as if never stopped."""
    for stop in (0, 1, len(values) // 4, len(values) // 2 + 3):
        original = factory()
        original.update_many(values[:stop])
        state = original.state()
        data = state_file.to_bytes(original.kind, original.version, state)
        version, read = state_file.from_bytes(data, original.kind)
        _require(version == original.version, "a state carries its version")
        restored = type(original).from_state(read)
        _require(restored.n_seen == stop, f"a restored state has seen as much ({name})")
        for attribute in ("statistic", "alarms", "threshold", "missing"):
            _require(
                _same(getattr(restored, attribute), getattr(original, attribute)),
                f"a restored state reads the same {attribute} ({name})",
            )
        again = state_file.to_bytes(restored.kind, restored.version, restored.state())
        _require(again == data, f"a restored state has the same state ({name}, row {stop})")
        continued = original.update_many(values[stop:])
        _require(
            _same_trace(continued, restored.update_many(values[stop:])),
            f"a restored state continues as if never stopped ({name}, row {stop})",
        )
        late = type(original).from_state(state)
        _require(
            _same_trace(continued, late.update_many(values[stop:])),
            f"a state shares nothing with its detector ({name})",
        )


def _check_reset(factory: Callable[[], Detector], values: NDArray[np.float64], name: str) -> None:
    """After reset a detector is as new."""
    used, new = factory(), factory()
    used.update_many(values)
    used.reset()
    _require(used.n_seen == 0 and not used.alarms.any() and not used.missing.any(), "reset forgets all rows")
    _require(_same(used.statistic, new.statistic), "reset forgets the statistic")
    _require(
        _same_trace(used.update_many(values), new.update_many(values)), f"reset gives a new detector ({name})"
    )


def _check_located(factory: Callable[[], Detector], values: NDArray[np.float64]) -> None:
    """Rows located beforehand say what the rows themselves say."""
    by_value, by_slot = factory(), factory()
    reference = by_slot.reference
    if reference is None:
        try:
            by_slot.update_located(np.zeros(values.shape, dtype=np.int32))
        except InvalidDataError:
            return
        raise AssertionError("update_located without a reference raises InvalidDataError")
    slots = reference.locate(values)
    _require(
        _same_trace(by_value.update_many(values), by_slot.update_located(slots)),
        "update_located equals update_many",
    )
    for wrong in (slots[:, :-1], slots.astype(np.float64), np.full(slots.shape, 2**30, dtype=np.int32)):
        _refuses(by_slot, by_slot.update_located, wrong)


def _check_missing(factory: Callable[[], Detector], values: NDArray[np.float64]) -> None:
    """NaN rows leave the statistic as it was, and never silence a detector."""
    detector = factory()
    detector.update_many(values)
    detector.update_many(np.full((1, detector.n_signals), np.nan))
    before = detector.statistic
    trace = detector.update_many(np.full((50, detector.n_signals), np.nan))
    _require((trace.statistic == before).all(), "a missing value leaves the statistic as it was")
    far = _far(*values.shape)
    _require(detector.update_many(far).alarm.any(axis=0).all(), "missing values never silence a detector")


def _check_extremes(factory: Callable[[], Detector], values: NDArray[np.float64]) -> None:
    """Infinities, huge values and constants give numbers, and the detector still hears afterwards."""
    d = values.shape[1]
    for extreme in (np.inf, -np.inf, np.finfo(float).max, -np.finfo(float).max, 0.0, -0.0, 5e-324):
        detector = factory()
        detector.update_many(values[: len(values) // 2])
        trace = detector.update_many(np.full((len(values) // 2, d), extreme))
        _require(not np.isnan(trace.statistic).any(), f"the statistic is never NaN (constant {extreme})")
        alternating = np.where(np.arange(len(values))[:, np.newaxis] % 2, extreme, -extreme) * np.ones(d)
        _require(
            not np.isnan(detector.update_many(alternating).statistic).any(),
            f"the statistic is never NaN (alternating {extreme})",
        )
        detector.update_many(np.tile(values, (10, 1)))
        far = _far(*values.shape)
        _require(detector.update_many(far).alarm.any(axis=0).all(), f"{extreme} never silences a detector")


def _check_bad_rows(factory: Callable[[], Detector], values: NDArray[np.float64]) -> None:
    """Rows that do not fit are refused, and leave no trace."""
    detector = factory()
    d = detector.n_signals
    detector.update_many(values[:7])
    bad_rows: list[Any] = [np.zeros(d + 1), np.zeros((1, d, 1)), ["a"] * d, "a", [None, {}]]
    for row in bad_rows:
        _refuses(detector, detector.update, row)
    bad_blocks: list[Any] = [np.zeros((3, d + 1)), np.zeros((1, 1, d)), [["a"] * d], 0.0]
    for block in bad_blocks:
        _refuses(detector, detector.update_many, block)


def _refuses(detector: Detector, call: Callable[[Any], object], data: object) -> None:
    before = state_file.to_bytes(detector.kind, detector.version, detector.state())
    try:
        call(data)
    except InvalidDataError:
        after = state_file.to_bytes(detector.kind, detector.version, detector.state())
        _require(after == before, "refused data leave no trace")
        return
    raise AssertionError(f"{call.__name__} refuses malformed data with InvalidDataError: {data!r}")


def _check_bad_states(factory: Callable[[], Detector], values: NDArray[np.float64]) -> None:
    """States that are damaged, newer or of another kind raise a driftlead error, nothing else."""
    detector = factory()
    detector.update_many(values[: len(values) // 3])
    state = detector.state()
    damaged = [{name: value for name, value in state.items() if name != lost} for lost in state]
    damaged += [state | {"kind": "another"}, state | {"version": detector.version + 1}]
    damaged += [
        state | {name: value[..., :-1]} for name, value in state.items() if isinstance(value, np.ndarray)
    ]
    for number, bad in enumerate(damaged):
        try:
            type(detector).from_state(bad)
        except (StateError, DriftleadError):
            continue
        raise AssertionError(f"from_state refuses a damaged state (number {number}: keys {sorted(bad)})")


def _check_rejected(rejected: Iterable[Callable[[], object]]) -> None:
    """Impossible parameters are refused at construction, by name, rule and value."""
    for number, construct in enumerate(rejected):
        try:
            construct()
        except InvalidParameterError as error:
            _require(error.parameter in str(error) and error.rule in str(error), "the error names its rule")
            continue
        raise AssertionError(f"an impossible parameter raises InvalidParameterError (number {number})")


def _check_memory(factory: Callable[[], Detector], block: NDArray[np.float64], rows: int) -> None:
    """Neither the state nor the memory in use grows with the stream."""
    detector = factory()
    first = min(2, max(1, rows // len(block)))
    for _ in range(first):
        detector.update_many(block)
    size = len(state_file.to_bytes(detector.kind, detector.version, detector.state()))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(rows // len(block) - first):
            detector.update_many(block)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    later = len(state_file.to_bytes(detector.kind, detector.version, detector.state()))
    _require(later <= size + 1024, f"the state is bounded: {size} bytes grew to {later}")
    _require(kept <= _KEPT_BYTES, f"memory is bounded: {kept} more bytes are held after {rows} rows")
