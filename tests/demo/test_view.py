"""The live view fits every terminal and says in words what it shows in colours."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from executor.demo.progress import Progress
from executor.demo.scenario import Scenario
from executor.demo.screens import PlainScreen, open_screen
from executor.demo.view import Labels, render

LABELS = Labels("digits", "1a2b3c4d5e6f", "http://127.0.0.1:8000", "http://127.0.0.1:8001/metrics")
NOTE = "passed: no alarm before the change. " * 4


def frame(progress: Progress, width: int, height: int, note: str = "") -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, no_color=True)
    console.print(render(progress, LABELS, width, height, note))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (100, 40), (139, 50), (140, 24), (200, 50), (20, 10)])
@pytest.mark.parametrize("note", ["", NOTE])
def test_a_frame_is_never_larger_than_the_terminal(play, size, note):
    width, height = size
    for progress in (Progress(Scenario()), play(clean=500, drifted=500, shift=3.0)):
        lines = frame(progress, width, height, note)
        assert max(map(len, lines)) <= width
        if height >= 20:
            assert len(lines) <= height


@pytest.mark.parametrize("width", [80, 140, 200])
def test_each_detector_shows_state_delay_and_strongest_signals(play, width):
    progress = play(clean=500, drifted=200, shift=3.0)
    shown = "\n".join(frame(progress, width, 30))
    assert "drifted 200 rows ago" in shown
    assert "96.0 % clean, 50.0 % drifted" in shown
    for url in (LABELS.service_url, LABELS.metrics_url):
        assert url in shown
    for state in progress.snapshot.detectors:
        delay = min(a.row for a in progress.alarms if a.detector == state.detector) - 500
        assert f"DRIFT   {state.detector}" in shown
        assert f"alarm after {delay} rows" in shown
        assert f"{state.signals[0].ratio:.2f} × threshold" in shown


def test_clean_traffic_is_calm_and_a_false_alarm_is_not_hidden(play):
    calm = "\n".join(frame(play(clean=500, drifted=50, shift=0.0), 80, 24))
    assert calm.count("no alarm after 50 rows") == 3
    false = "\n".join(frame(play(clean=500, drifted=50, shift=3.0, early=3.0), 80, 24))
    assert false.count("before the change") == 3


def test_the_timeline_rises_after_the_change(play):
    lines = frame(play(clean=500, drifted=500, shift=3.0), 80, 30)
    course = next(line for line in lines if "╋" in line)
    timeline = lines[next(i for i, line in enumerate(lines) if "incremental_ks" in line) + 1]
    change = course.index("╋")
    assert set(timeline[: change - 1]) <= set("▁▂▃▄")
    assert timeline.rstrip()[-1] == "█"


def test_plain_lines_tell_the_change_and_each_first_alarm_once(play):
    out = io.StringIO()
    console = Console(file=out)
    screen = open_screen(console, LABELS)
    assert isinstance(screen, PlainScreen)
    progress = play(clean=500, drifted=500, shift=3.0)
    for _ in range(3):
        screen.show(progress)
    screen.close()
    lines = out.getvalue().splitlines()
    assert sum("change " in line and "sensor noise" in line for line in lines) == 1
    assert sum("ALARM" in line for line in lines) == 3
    assert sum("strongest × threshold" in line for line in lines) == 1
    assert "\x1b" not in out.getvalue()
    for _ in range(20):
        screen.show(progress, NOTE)
    assert len(out.getvalue().splitlines()) == len(lines) + 2
    assert out.getvalue().splitlines()[-1].rstrip() == NOTE.rstrip()
