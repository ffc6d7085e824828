"""The HTTP server of gatelab ui: Werkzeug's, with bounds on a request's size and time and on the number of connections."""

import io
import socket
import time
from contextlib import suppress
from threading import Lock
from typing import Any

from werkzeug import serving

MAX_CONNECTIONS = 64
MAX_REQUEST_BYTES = 32_768  # without its body, which nothing reads
MAX_SECONDS = 10.0  # to send a request, and to take a piece of the answer


class RequestTooLong(Exception):
    """The request has more than MAX_REQUEST_BYTES."""


class RequestStream(io.RawIOBase):
    """What a client sends, until the server answers. Reading raises TimeoutError or RequestTooLong at the bounds."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + MAX_SECONDS
        self._bytes_left = MAX_REQUEST_BYTES
        self.is_answered = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.is_answered:  # a body, or a second request
            return 0
        if self._bytes_left <= 0:
            raise RequestTooLong
        self._connection.settimeout(max(1e-3, self._deadline - time.monotonic()))
        received = self._connection.recv_into(memoryview(buffer)[: self._bytes_left])
        self._bytes_left -= received
        return received


class Handler(serving.WSGIRequestHandler):
    """Answers one request a connection. Logs nothing; errors are in the response."""

    server: "Server"
    server_version, sys_version = "gatelab", ""

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._stream = RequestStream(self.connection)
        self.rfile = io.BufferedReader(self._stream)

    def handle(self) -> None:
        try:
            super().handle()
        except RequestTooLong:
            self.send_error(431, "Request Header Fields Too Large", f"More than {MAX_REQUEST_BYTES:,} bytes.")

    def run_wsgi(self) -> None:
        self._stream.is_answered = True
        self.server.is_received(self.connection)
        self.connection.settimeout(MAX_SECONDS)
        super().run_wsgi()

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class Server(serving.ThreadedWSGIServer):
    """At most MAX_CONNECTIONS at a time. One more closes the oldest that has not sent its request, so that slow clients do not keep
    others out; where all have sent theirs, it is closed itself."""

    def __init__(self, listening: socket.socket, app: Any) -> None:
        address, port = listening.getsockname()
        self._open: dict[socket.socket, bool] = {}  # whether the request is received; the oldest first
        self._lock = Lock()
        super().__init__(address, port, app, Handler, fd=listening.fileno())  # it keeps a copy

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            has_room = len(self._open) < MAX_CONNECTIONS or self._close_oldest()
            if has_room:
                self._open[request] = False
        if has_room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def _close_oldest(self) -> bool:
        """Whether there was one that waited for its request."""
        waiting = next((one for one, is_received in self._open.items() if not is_received), None)
        if waiting is None:
            return False
        del self._open[waiting]
        with suppress(OSError):  # the client was faster
            waiting.shutdown(socket.SHUT_RDWR)  # its thread reads the end, and ends
        return True

    def is_received(self, request: socket.socket) -> None:
        with self._lock:
            if request in self._open:
                self._open[request] = True

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing on the screen: the client has its answer, or is gone."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nor the traceback of an answer that broke off, such as a text that a model no longer continues."""
