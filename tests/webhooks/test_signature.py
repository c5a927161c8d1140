"""Messages are signed as the Standard Webhooks specification says, and forgeries are found out."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.webhooks import new_secret, verify
from driftlead.webhooks.signature import signed_headers

NOW = 1_700_000_000


def independent_signature(secret, headers, body):
    key = base64.b64decode(secret.split("_", 1)[1])
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def test_the_signature_is_the_hmac_of_id_time_and_body():
    secret = new_secret()
    headers = signed_headers("msg_1", NOW, b'{"type":"\xc3\xbc"}', secret)
    assert headers["webhook-signature"] == independent_signature(secret, headers, b'{"type":"\xc3\xbc"}')


def test_other_implementations_sign_the_same():
    # The example on which implementations of the specification are tested.
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_can_be_replaced_while_messages_are_under_way():
    old, new = new_secret(), new_secret()
    headers = signed_headers("msg_1", NOW, b"{}", f"{new} {old}")
    for secret in (old, new, f"{old} {new}"):
        verify(b"{}", headers, secret, now=NOW)
    verify(b"{}", signed_headers("msg_1", NOW, b"{}", new), f"{old} {new}", now=NOW)
    with pytest.raises(InvalidDataError, match="signature is not right"):
        verify(b"{}", headers, new_secret(), now=NOW)


@pytest.mark.parametrize(
    ("change", "body", "says"),
    [
        ({}, b"{ }", "signature is not right"),
        ({"webhook-id": "msg_2"}, b"{}", "signature is not right"),
        ({"webhook-timestamp": str(NOW + 1)}, b"{}", "signature is not right"),
        ({"webhook-signature": ""}, b"{}", "signature is not right"),
        ({"webhook-signature": "v1,ü v2,x"}, b"{}", "signature is not right"),
        ({"webhook-timestamp": str(NOW - 301)}, b"{}", "301 s away from now"),
        ({"webhook-timestamp": str(NOW + 301)}, b"{}", "-301 s away from now"),
        ({"webhook-timestamp": "1e9"}, b"{}", "not a number of seconds"),
        ({"webhook-timestamp": "9" * 5_000}, b"{}", "not a number of seconds"),
    ],
)
def test_a_message_that_was_changed_or_kept_is_refused(change, body, says):
    secret = new_secret()
    headers = signed_headers("msg_1", NOW, b"{}", secret)
    with pytest.raises(InvalidDataError, match=says):
        verify(body, headers | change, secret, now=NOW)


def test_headers_count_in_any_case_and_each_is_needed():
    secret = new_secret()
    headers = signed_headers("msg_1", NOW, b"{}", secret)
    verify(b"{}", {name.title(): value for name, value in headers.items()}, secret, now=NOW)
    for name in headers:
        rest = {other: value for other, value in headers.items() if other != name}
        with pytest.raises(InvalidDataError, match=f"no header '{name}'"):
            verify(b"{}", rest, secret, now=NOW)


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_c2hvcnQ=", "whsec_%%%", "c2VjcmV0" * 4])
def test_a_malformed_secret_is_refused_and_not_shown(secret):
    with pytest.raises(InvalidParameterError, match="secret must be whsec_ and the base64") as caught:
        signed_headers("msg_1", NOW, b"{}", secret)
    assert not secret or secret not in f"{caught.value} {vars(caught.value)}"
