"""Write the Grafana dashboards beside this file: ``python ops/grafana/build_dashboards.py``.

A tool for who changes a dashboard; nothing that is served imports it. Grafana reads ``dashboards/*.json``:
they are committed, and a test compares them with what this writes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import drift
import overview
import quality
import runtime

DASHBOARDS = Path(__file__).parent / "dashboards"


def files() -> dict[str, str]:
    """Return what belongs into the folder of dashboards: name and text."""
    made = {
        "overview.json": overview.overview(),
        "drift.json": drift.drift(),
        "quality.json": quality.quality(),
        "runtime.json": runtime.runtime(),
    }
    return {name: json.dumps(each, indent=2, ensure_ascii=False) + "\n" for name, each in made.items()}


def write(folder: Path) -> None:
    """Write every dashboard into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DASHBOARDS)
