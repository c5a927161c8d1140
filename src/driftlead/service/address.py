"""Where a server listens, and the URL under which it is reached from this machine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by name or number, and a port.

    Examples
    --------
    >>> Address("0.0.0.0", 80).url, Address("::1", 80).url
    ('http://127.0.0.1:80', 'http://[::1]:80')
    """

    host: str
    port: int

    @property
    def url(self) -> str:
        """Root URL, with the brackets of an IPv6 host; a wildcard host is reached through loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
