"""Records in a file that grows by one line per record, so that nothing done is done again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from driftlead.benchmark.measure import Record
from driftlead.errors import DriftleadError

__all__ = ["Results", "write_parquet"]


class Results:
    """Records by the digest of their unit; kept in a file of JSON lines where there is a path.

    Parameters
    ----------
    path : Path, optional
        Read if it exists. The records of a unit are one line, so that one that was cut off in the middle of
        being written counts as not done.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._by_digest: dict[str, list[Record]] = {}
        if path is not None and path.exists():
            whole = path.read_bytes()
            kept = whole[: whole.rfind(b"\n") + 1]
            if len(kept) < len(whole):
                path.write_bytes(kept)
            for line in kept.splitlines():
                records = json.loads(line)
                self._by_digest[records[0]["digest"]] = records

    def __contains__(self, digest: str) -> bool:
        return digest in self._by_digest

    def __getitem__(self, digest: str) -> list[Record]:
        return self._by_digest[digest]

    def add(self, records: list[Record]) -> None:
        """Keep the records of one unit."""
        self._by_digest[records[0]["digest"]] = records
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(records, ensure_ascii=False) + "\n")


def write_parquet(records: Sequence[Record], path: Path) -> None:
    """Write records as a Parquet table, one column per key.

    Raises
    ------
    DriftleadError
        pyarrow is not installed (extra ``tables``).
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DriftleadError(f"writing {path} needs pyarrow: pip install 'driftlead[tables]'") from None
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: [record.get(name) for record in records] for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)
