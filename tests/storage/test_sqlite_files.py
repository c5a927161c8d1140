"""A file is damaged, replaced or busy: it is set aside or waited for, and the store goes on."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from driftlead.errors import StorageError
from driftlead.storage import SqlStore
from driftlead.storage.sqlite import File
from tests.storage.rows import predicted


def aside(path: Path) -> list[str]:
    """Names of the files set aside, without their journals."""
    return sorted(
        each.name for each in path.parent.glob("*.corrupt-*") if not each.name.endswith(("-wal", "-shm"))
    )


def test_a_file_that_is_no_database_is_set_aside(path, file_store, caplog):
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    assert file_store.add_predictions(predicted(["a"])).new == 1
    (name,) = aside(path)
    assert path.with_name(name).read_bytes() == b"no database" * 1000
    assert name.startswith("store.db.corrupt-20")
    assert "file is not a database; set aside as" in caplog.text


@pytest.mark.parametrize("damage", ["pages", "half"])
def test_a_damaged_file_is_set_aside_by_whoever_meets_the_damage(path, file_store, caplog, damage):
    file_store.add_predictions(predicted([str(number) for number in range(2000)]))
    file_store.close()
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + (b"\xff" * half if damage == "pages" else b""))
    other = SqlStore(f"sqlite:///{path}", model="digits", version="1")
    ids = [f"new {number}" for number in range(2000)]
    assert file_store.add_predictions(predicted(ids)).new == 2000
    assert len(other.add_labels(ids, np.ones(2000), received_at=1.0)) == 2000
    other.close()
    assert len(aside(path)) == 1
    assert caplog.text.count("set aside as") == 1


def test_a_file_that_another_process_set_aside_is_left(path, file_store, caplog):
    file_store.add_predictions(predicted([str(number) for number in range(2000)]))
    other = SqlStore(f"sqlite:///{path}", model="digits", version="1")
    other.open()
    path.rename(path.with_name("store.db.corrupt-by-another"))
    assert file_store.add_predictions(predicted(["a"])).new == 1
    assert other.add_labels(["a"], np.ones(1), received_at=1.0).ids == ("a",)
    other.close()
    with sqlite3.connect(path) as new:
        assert new.execute("SELECT id, waiting FROM driftlead_labels").fetchall() == [("a", 0)]
    new.close()
    assert aside(path) == ["store.db.corrupt-by-another"]


def test_of_two_that_meet_the_same_damage_the_second_leaves_the_new_file(path):
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    one, other = File(str(path)), File(str(path))
    one.remember()
    other.remember()
    assert one.set_aside() is not None
    path.write_bytes(b"new")
    assert other.set_aside() is None
    assert path.read_bytes() == b"new"


def test_an_empty_file_becomes_a_database(path, file_store):
    path.parent.mkdir()
    path.touch()
    assert file_store.add_predictions(predicted(["a"])).new == 1
    assert aside(path) == []


def test_another_process_that_writes_for_long_is_reported(path, monkeypatch):
    monkeypatch.setattr("driftlead.storage.database.PATIENCE", 0.1)
    store = SqlStore(f"sqlite:///{path}", model="digits", version="1")
    store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match=r"store\.db: database is locked"):
        store.add_predictions(predicted(["a"]))
    assert store.episodes() == [], "readers need not wait"
    other.execute("ROLLBACK")
    other.close()
    assert store.add_predictions(predicted(["a"])).new == 1
    store.close()


def test_threads_of_a_process_write_in_turn(path, monkeypatch):
    monkeypatch.setattr("driftlead.storage.database.PATIENCE", 0.1)
    store = SqlStore(f"sqlite:///{path}", model="digits", version="1")
    store.open()
    entered, leave = threading.Event(), threading.Event()
    monkeypatch.setattr(
        "driftlead.storage.predictions.add_predictions", lambda *_: entered.set() or leave.wait(30) or 0
    )
    thread = threading.Thread(target=store.add_predictions, args=(predicted(["a"]),))
    thread.start()
    entered.wait(30)
    # Told by the lock of the process: SQLite would let them poll, and some starve.
    with pytest.raises(StorageError, match=r"store\.db: busy for more than 0\.1 seconds"):
        store.add_labels(["a"], np.ones(1), received_at=1.0)
    leave.set()
    thread.join()
    assert store.add_labels(["a"], np.ones(1), received_at=1.0).unmatched == 1
    store.close()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").touch()
    store = SqlStore(f"sqlite:///{tmp_path}/file/store.db", model="digits", version="1")
    with pytest.raises(StorageError, match="file"):
        store.open()
