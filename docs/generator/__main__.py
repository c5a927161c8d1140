"""``python -m docs.generator``: build the site into var/docs/site."""

from __future__ import annotations

import argparse

from docs.generator.build import ROOT, build


def main() -> None:
    """Build the site and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m docs.generator", description=__doc__)
    parser.add_argument(
        "--without-running", action="store_true", help="show notebooks without executing them"
    )
    wanted = parser.parse_args()
    site = build(ROOT / "var" / "docs", execute=not wanted.without_running)
    print(f"The documentation: {(site / 'index.html').relative_to(ROOT)}")


main()
