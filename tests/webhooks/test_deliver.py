"""One attempt: to the right place, signed, within its time, and nothing leaks."""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest

from driftlead.errors import DeliveryError, InvalidParameterError
from driftlead.webhooks import Webhook, deliver, new_secret, verify
from driftlead.webhooks.addresses import is_public
from driftlead.webhooks.webhook import _tls
from tests.programs import require_program
from tests.webhooks.conftest import Receiver, status

NOW = 1_700_000_000.0
MESSAGE = {"type": "episode.opened", "data": {"signals": ["feature:größe"]}}


def to(receiver, **settings):
    return Webhook(receiver.url, **{"allow_private": True, "timeout": 5.0, **settings})


@contextmanager
def raw_server(behave):
    """A server of bytes: ``behave(connection, stop)`` after a request's first bytes."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10.0)

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                with suppress(OSError):
                    behave(connection, stop)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        finally:
            stop.set()
            thread.join()


def answer_of(name, addresses):
    """A name server's answers, one after the other, for one name."""
    asked = []
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *arguments, **keywords):
        if host != name:
            return real(host, port, *arguments, **keywords)
        asked.append(host)
        found = addresses[min(len(asked), len(addresses)) - 1]
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in found
        ]

    return getaddrinfo, asked


def test_a_message_arrives_signed(receiver):
    secret = new_secret()
    deliver(to(receiver, secret=secret), "msg_1", MESSAGE, NOW)
    ((path, headers, body),) = receiver.requests
    assert path == "/hook"
    assert json.loads(body) == MESSAGE
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert headers["User-Agent"].startswith("driftlead/")
    verify(body, headers, secret, now=NOW)


def test_without_a_secret_it_is_not_signed_and_a_password_goes_into_its_header(receiver):
    url = receiver.url.replace("//", "//ada:p%40ss@")
    deliver(Webhook(url, allow_private=True), "msg_1", MESSAGE, NOW)
    ((_, headers, _),) = receiver.requests
    named = {name: value for name, value in headers.items() if name.startswith("webhook-")}
    assert named == {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW))}
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"ada:p@ss").decode()
    assert "ada" not in headers["Host"]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_not_followed(receiver, code):
    with Receiver().serving() as private:
        receiver.answers = [status(code, Location=private.url)]
        with pytest.raises(DeliveryError, match=f"the answer was {code}") as caught:
            deliver(to(receiver), "msg_1", MESSAGE, NOW)
        assert caught.value.status == code
        assert private.requests == []
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("code", [400, 404, 410, 500, 503])
def test_only_2xx_is_taken(receiver, code):
    receiver.answers = [status(code)]
    with pytest.raises(DeliveryError, match=f"the answer was {code}"):
        deliver(to(receiver), "msg_1", MESSAGE, NOW)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]"])
def test_this_machine_is_refused_by_any_of_its_names(receiver, host):
    url = f"http://{host}:{receiver.port}/hook"
    with pytest.raises((DeliveryError, InvalidParameterError), match=r"is not public|must be public"):
        deliver(Webhook(url), "msg_1", MESSAGE, NOW)
    assert receiver.requests == []


@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
        ),
        *("192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1"),
        *("fc00::1", "fd00:ec2::254", "fe80::1%eth0", "ff02::1", "ff0e::1", "2001:db8::1"),
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_addresses_that_are_public(address):
    assert is_public(address)


def test_one_private_address_among_public_ones_is_refused(monkeypatch):
    getaddrinfo, _ = answer_of("hook.test", [["8.8.8.8", "169.254.169.254"]])
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(DeliveryError, match=r"hook\.test is at 169\.254\.169\.254, which is not public"):
        deliver(Webhook("http://hook.test/"), "msg_1", MESSAGE, NOW)


def test_the_address_that_was_judged_is_the_one_connected_to(monkeypatch, receiver):
    # The name means another address when it is looked up again, as with DNS rebinding.
    getaddrinfo, asked = answer_of("hook.test", [["127.0.0.2"], ["127.0.0.1"]])
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Receiver("127.0.0.2", port=receiver.port).serving() as judged:
        deliver(Webhook(f"http://hook.test:{receiver.port}/", allow_private=True), "msg_1", MESSAGE, NOW)
        ((_, headers, _),) = judged.requests
    assert receiver.requests == []
    assert asked == ["hook.test"]
    assert headers["Host"] == f"hook.test:{receiver.port}"


def test_the_next_address_is_tried_where_one_does_not_listen(monkeypatch, receiver):
    getaddrinfo, _ = answer_of("hook.test", [["::1", "127.0.0.3", "127.0.0.1"]])
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    deliver(Webhook(f"http://hook.test:{receiver.port}/", allow_private=True), "msg_1", MESSAGE, NOW)
    assert len(receiver.requests) == 1


@pytest.mark.server
def test_tls_asks_for_the_name_and_checks_it(monkeypatch, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hook.test -addext subjectAltName=DNS:hook.test"
    subprocess.run(
        [require_program("openssl"), "req", *options.split(), "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
        timeout=60,
    )
    asked = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.sni_callback = lambda connection, name, context: asked.append(name)
    getaddrinfo, _ = answer_of("hook.test", [["127.0.0.1"]])
    other, _ = answer_of("other.test", [["127.0.0.1"]])
    with Receiver(tls=server).serving() as receiver:
        url = f"https://hook.test:{receiver.port}/hook"
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        _tls.cache_clear()
        with pytest.raises(DeliveryError, match=r"cannot connect: .*self-signed"):
            deliver(Webhook(url, allow_private=True), "msg_1", MESSAGE, NOW)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        _tls.cache_clear()
        deliver(Webhook(url, allow_private=True), "msg_1", MESSAGE, NOW)
        monkeypatch.setattr(socket, "getaddrinfo", other)
        with pytest.raises(DeliveryError, match=r"cannot connect: .*other\.test"):
            deliver(
                Webhook(url.replace("hook.test", "other.test"), allow_private=True), "msg_1", MESSAGE, NOW
            )
    _tls.cache_clear()
    assert asked == ["hook.test", "hook.test", "other.test"]
    assert len(receiver.requests) == 1


def hang(connection, stop):
    stop.wait(30.0)


def drip(connection, stop):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.wait(0.02):
        connection.sendall(b"X-More: yes\r\n")


def informational(connection, stop):
    while not stop.wait(0.01):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize("behave", [hang, drip, informational])
def test_an_answer_that_does_not_come_to_its_point_is_given_up_in_time(behave):
    with raw_server(behave) as url, pytest.raises(DeliveryError, match=r"no answer within 0\.3 s"):
        deliver(Webhook(url, timeout=0.3, allow_private=True), "msg_1", MESSAGE, NOW)


def endless_head(connection, stop):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.is_set():
        connection.sendall(b"X-More: " + b"a" * 65_536)


def close_at_once(connection, stop):
    pass


def speak_something_else(connection, stop):
    connection.sendall(b"SSH-2.0-token-that-must-not-be-shown\r\n")
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("behave", [endless_head, close_at_once, speak_something_else])
def test_what_is_no_answer_is_a_failure(behave):
    with raw_server(behave) as url, pytest.raises(DeliveryError, match="the connection failed") as caught:
        deliver(Webhook(url, allow_private=True), "msg_1", MESSAGE, NOW)
    assert "token" not in str(caught.value)


def test_an_endless_body_is_not_read():
    sent = []

    def endless_body(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not stop.is_set():
            sent.append(connection.send(b"100000\r\n" + b"a" * 0x100000 + b"\r\n"))

    with raw_server(endless_body) as url:
        deliver(Webhook(url, allow_private=True), "msg_1", MESSAGE, NOW)
    # What fits into the buffers of two sockets, and no more.
    assert sum(sent) < 32 * 1024 * 1024


def test_nobody_listens_and_no_such_name(receiver):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(DeliveryError, match="cannot connect"):
        deliver(Webhook(f"http://127.0.0.1:{port}/", allow_private=True), "msg_1", MESSAGE, NOW)
    for name in ("no-such-name.invalid", "a" * 70 + ".invalid"):
        with pytest.raises(DeliveryError, match="cannot be resolved"):
            deliver(Webhook(f"http://{name}/"), "msg_1", MESSAGE, NOW)


def test_proxies_of_the_environment_see_nothing(monkeypatch, receiver):
    with Receiver().serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        deliver(to(receiver), "msg_1", MESSAGE, NOW)
        assert proxy.requests == []
    assert len(receiver.requests) == 1


def test_neither_secret_nor_address_is_shown(receiver, caplog):
    caplog.set_level(logging.DEBUG)
    secret = new_secret()
    url = f"http://ada:p4ssword@127.0.0.1:{receiver.port}/T0/t0ken?key=k3y"
    webhook = Webhook(url, secret=secret, allow_private=True)
    deliver(webhook, "msg_1", MESSAGE, NOW)
    receiver.answers = [status(500)]
    said = [repr(webhook), str(webhook)]
    with pytest.raises(DeliveryError) as caught:
        deliver(webhook, "msg_1", MESSAGE, NOW)
    said.append(str(caught.value))
    for wrong in (
        url.replace("http://", "ftp://"),
        url.replace("127.0.0.1", ""),
        url.replace("0.1:", "0.1:9"),
    ):
        with pytest.raises(InvalidParameterError) as refused:
            Webhook(wrong, allow_private=True)
        said += [str(refused.value), repr(vars(refused.value))]
    said += [record.getMessage() for record in caplog.records]
    for hidden in ("p4ssword", "t0ken", "k3y", secret.removeprefix("whsec_"), "YWRhOnA0c3N3b3Jk"):
        assert hidden not in "\n".join(said)


@pytest.mark.parametrize("timeout", [0.0, -1.0, 61.0, float("nan"), "5", None, True])
def test_a_timeout_has_bounds(timeout):
    with pytest.raises(InvalidParameterError, match="timeout must be above 0 and at most 60 seconds"):
        Webhook("https://hooks.example.com/", timeout=timeout)


@pytest.mark.parametrize("wrong", [{"secret": b"whsec_x"}, {"allow_private": "no"}])
def test_what_is_of_another_kind_is_named(wrong):
    (name,) = wrong
    with pytest.raises(InvalidParameterError, match=f"{name} must be "):
        Webhook("https://hooks.example.com/", **wrong)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "file:///etc/passwd",
        "https://",
        "http://[",
        "http://a b/",
        "https://xn--/",
        None,
    ],
)
def test_a_url_is_http_or_https(url):
    with pytest.raises(InvalidParameterError, match="url must be an http or https address"):
        Webhook(url)
