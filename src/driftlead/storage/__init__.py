"""Where predictions that await labels, labels, episodes of drift and messages about them are kept: SQL."""

from driftlead.storage.store import SqlStore

__all__ = ["SqlStore"]
