"""What a store is opened with: checked, and its password never shown."""

from __future__ import annotations

import logging
import traceback

import numpy as np
import pytest

from driftlead.errors import InvalidParameterError, StorageError
from driftlead.storage import SqlStore


def test_a_password_is_never_shown(caplog):
    caplog.set_level(logging.DEBUG)
    store = SqlStore("postgresql://me:s3cret@127.0.0.1:1/db", model="digits", version="1")
    with pytest.raises(
        StorageError, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/db: .*refused"
    ) as caught:
        store.open()
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "s3cret" not in shown
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "postgres//me:s3cret@host/db", "mysql://me:s3cret@host/db", "postgresql+asyncpg://me:s3cret@host/db",
     "postgresql://me:s3cret@host:port/db", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"],
)  # fmt: skip
def test_other_urls_are_refused(url):
    with pytest.raises(InvalidParameterError, match="url must be sqlite:///path or postgresql://") as caught:
        SqlStore(url, model="digits", version="1")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_parameters_keep_their_rules(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    with pytest.raises(InvalidParameterError, match="model must be a text of 1 to 300"):
        SqlStore(url, model="", version="1")
    with pytest.raises(InvalidParameterError, match="version must be a text of 1 to 300"):
        SqlStore(url, model="digits", version="1\0")
    for name in ("keep_seconds", "keep_unmatched_seconds", "keep_episodes_seconds"):
        with pytest.raises(InvalidParameterError, match=f"{name} must be above 0, got nan"):
            SqlStore(url, model="digits", version="1", **{name: np.nan})
