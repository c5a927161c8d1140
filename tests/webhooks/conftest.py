"""Real HTTP servers that answer as they are told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Receiver:
    """An HTTP server that keeps what it gets and answers by a list of functions, the last one for ever."""

    def __init__(self, address="127.0.0.1", tls=None, port=0):
        self.requests = []
        self.answers = [status(204)]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), body))
                answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                answer(self)

            def do_GET(self):
                receiver.requests.append((self.path, dict(self.headers), b""))
                self.send_error(405)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer((address, port), Handler)
        self.server.handle_error = lambda *arguments: None  # clients hang up, as they should
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http://{address}:{self.port}/hook"

    @contextmanager
    def serving(self):
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


def status(code, **headers):
    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def receiver():
    with Receiver().serving() as serving:
        yield serving
