"""Where a webhook's host lies: looked up once, judged, and then connected to by address."""

from __future__ import annotations

import ipaddress
import socket

from driftlead.errors import DeliveryError

__all__ = ["is_public", "resolve"]

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What Python calls global although it never is another party's server: IETF protocol assignments, with a
# cloud's metadata service among them, and another cloud's host agent.
_NOT_PUBLIC = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("168.63.129.16/32"))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, and to no host, network or cloud around this one.

    An IPv6 address that stands for an IPv4 address, by NAT64, 6to4 or mapping, is as public as that one.

    Parameters
    ----------
    address : str
        An IPv4 or IPv6 address.

    Examples
    --------
    >>> [is_public(each) for each in ("1.1.1.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        standing_for = ip.ipv4_mapped or ip.sixtofour
        if standing_for is None and ip in _NAT64:
            standing_for = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if standing_for is None:
            return ip.is_global and ip in _GLOBAL_UNICAST
        ip = standing_for
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Look up the addresses of a host, in the order to try them.

    Raises
    ------
    DeliveryError
        When it has none, or one that is not public while only public ones are allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DeliveryError(f"the name {host} cannot be resolved") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    refused = [] if allow_private else [each for each in addresses if not is_public(each)]
    # One private address among public ones is no accident either.
    if refused:
        raise DeliveryError(
            f"{host} is at {refused[0]}, which is not public, and private ones are not allowed"
        )
    return addresses
