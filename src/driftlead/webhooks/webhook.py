"""One webhook, and one attempt to deliver a message to it, bounded in time and memory."""

from __future__ import annotations

import asyncio
import base64
import functools
import ipaddress
import json
import numbers
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import httpx

from driftlead.errors import DeliveryError, InvalidParameterError
from driftlead.webhooks.addresses import is_public, resolve
from driftlead.webhooks.signature import keys, signed_headers

__all__ = ["Webhook", "deliver"]

_LONGEST_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages go. Neither address nor secret show in its representation, in errors or in logs.

    Parameters
    ----------
    url : str
        An http or https address. Its user and password, if any, go into the ``Authorization`` header.
    secret : str or None
        Signs every message: one of `new_secret`, or two with a space between, new and old, while receivers
        change from one to the other.
    timeout : float
        Longest time of one attempt, in seconds, from connecting to the answer's status.
    allow_private : bool
        Whether its host may lie on this machine, in a private network or at a cloud's metadata service.

    Raises
    ------
    InvalidParameterError
        When a value breaks its rule.

    Examples
    --------
    >>> Webhook("https://user:password@hooks.example.com/T0/B0/token", timeout=10.0)
    Webhook(timeout=10.0, allow_private=False)
    >>> Webhook("http://127.0.0.1:9000/hook")
    Traceback (most recent call last):
    ...
    driftlead.errors.InvalidParameterError: url must be public unless allow_private, got '127.0.0.1'
    """

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    timeout: float = 5.0
    allow_private: bool = False

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
            host = url.host
        except (httpx.InvalidURL, TypeError, ValueError):
            url, host = httpx.URL(""), ""
        is_name = re.fullmatch(rb"[a-z0-9._-]+", url.raw_host) is not None
        if (
            url.scheme not in ("http", "https")
            or not (is_name or _is_address(host))
            or not 0 < (url.port or 80) < 2**16
        ):
            raise InvalidParameterError("url", "an http or https address", "<not shown>")
        if not isinstance(self.allow_private, bool):
            raise InvalidParameterError("allow_private", "True or False", self.allow_private)
        if not self.allow_private and _is_address(host) and not is_public(host):
            raise InvalidParameterError("url", "public unless allow_private", host)
        if self.secret is not None:
            if not isinstance(self.secret, str):
                raise InvalidParameterError("secret", "a text", "<not shown>")
            keys(self.secret)
        number = isinstance(self.timeout, numbers.Real) and not isinstance(self.timeout, bool)
        if not number or not 0 < self.timeout <= _LONGEST_TIMEOUT:
            raise InvalidParameterError(
                "timeout", f"above 0 and at most {_LONGEST_TIMEOUT:g} seconds", self.timeout
            )


def deliver(webhook: Webhook, message_id: str, body: Mapping[str, Any], now: float) -> None:
    """Post one message, once, and wait for the answer's status.

    The host is looked up once, and the connection goes to an address that was judged then, so that a name
    cannot change its meaning in between. Redirects are not followed, proxies of the environment not used, and
    no more of an answer is read than its head. Blocks; not for use inside a running event loop.

    Parameters
    ----------
    webhook : Webhook
    message_id : str
        Tells the receiver which attempts are of one message.
    body : mapping
        The message, ready for JSON.
    now : float
        Time of the attempt, in seconds since the epoch.

    Raises
    ------
    DeliveryError
        When the answer is not 2xx, or there is none.
    """
    url = httpx.URL(webhook.url)
    host = url.raw_host.decode("ascii")
    content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/json",
        "User-Agent": f"driftlead/{version('driftlead')}",
        "Connection": "close",
        # Unsigned messages come twice too.
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now)),
    }
    if url.userinfo:
        credentials = f"{url.username}:{url.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
    if webhook.secret is not None:
        headers |= signed_headers(message_id, int(now), content, webhook.secret)
    port = url.port or (443 if url.scheme == "https" else 80)
    addresses = resolve(host, port, allow_private=webhook.allow_private)
    requests = [
        httpx.Request(
            "POST",
            url.copy_with(host=address),
            headers=headers,
            content=content,
            extensions={
                "sni_hostname": host,
                "timeout": {"connect": webhook.timeout / len(addresses)},
            },
        )
        for address in addresses
    ]
    try:
        status = asyncio.run(_first_answer(requests, webhook.timeout))
    except TimeoutError:
        raise DeliveryError(f"no answer within {webhook.timeout:g} s") from None
    except httpx.ConnectError as error:
        raise DeliveryError(f"cannot connect: {error}") from None
    except (httpx.HTTPError, OSError) as error:
        # Messages of these may quote what the other side sent.
        raise DeliveryError(f"the connection failed ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise DeliveryError(f"the answer was {status}", status)


async def _first_answer(requests: Sequence[httpx.Request], timeout: float) -> int:
    """Return the status of the first request that finds a connection."""
    # The transport alone: a client would log whole addresses, and use the environment's proxies.
    transport = httpx.AsyncHTTPTransport(verify=_tls())
    async with asyncio.timeout(timeout), transport:
        for request in requests[:-1]:
            try:
                return await _status(transport, request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await _status(transport, requests[-1])


async def _status(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> int:
    response = await transport.handle_async_request(request)
    await response.aclose()
    return response.status_code


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return one context for all: reading the certificates takes longer than a delivery."""
    return httpx.create_ssl_context()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
