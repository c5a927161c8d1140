"""A user's own functions, called when something happens to an episode, and kept from doing harm."""

from __future__ import annotations

import logging
from collections.abc import Callable

from driftlead.monitor.episode import Episode, EpisodeEvent, EventKind

__all__ = ["Callback", "Callbacks"]

Callback = Callable[[EventKind, Episode], object]

_log = logging.getLogger(__name__)


class Callbacks:
    """Functions to call, in the order in which they were added. What one raises reaches nobody.

    They run in the thread that calls, so a slow one holds up whatever that thread does next.

    Attributes
    ----------
    errors : int
        Calls that raised.

    Examples
    --------
    >>> seen = []
    >>> callbacks = Callbacks()
    >>> callbacks.add(lambda kind, episode: seen.append((kind, episode.id)))
    >>> episode = Episode("01", 0.0, 9, ("feature:a", "nmddm"), 500, 3, 0.0, 9, 0.0, 1, (), 1)
    >>> callbacks.call(EpisodeEvent("opened", 0.0, episode))
    >>> seen, callbacks.errors
    ([('opened', '01')], 0)
    """

    def __init__(self) -> None:
        self.errors = 0
        self._functions: tuple[Callback, ...] = ()

    def add(self, function: Callback) -> None:
        """Call a function from now on with every event's kind and episode."""
        self._functions = (*self._functions, function)

    def call(self, event: EpisodeEvent) -> None:
        """Call all of them; count those that fail, and log the first failure."""
        for function in self._functions:
            try:
                function(event.kind, event.episode)
            # sys.exit() in a callback would end the thread without a word.
            except (Exception, SystemExit):
                self.errors += 1
                if self.errors == 1:
                    _log.exception("a callback failed on an episode; further failures are only counted")
