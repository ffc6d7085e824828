"""gatelab ui over an output folder, in a thread of the test, and plain requests to it."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gatelab.commands.ui import make_server

TOKEN = "the-token-of-the-tests"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@contextmanager
def serving(output_dir: Path) -> Iterator[int]:
    """Yields the port."""
    server = make_server(output_dir, 0, TOKEN)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET", host: str | None = None, **headers: str) -> Answer:
    """The path goes out as it is, without any tidying by a client, and with the cookie that has the token."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", f"127.0.0.1:{port}" if host is None else host)
    for name, value in ({"Cookie": f"gatelab-{port}={TOKEN}"} | headers).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    answer = Answer(response.status, dict(response.getheaders()), response.read().decode("utf-8", "replace"))
    connection.close()
    return answer


def raw(port: int, request: bytes) -> bytes:
    """What the server sends to these bytes, until it ends the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        try:
            while received := client.recv(65_536):
                answer += received
        except ConnectionResetError:  # it did not read all
            pass
    return answer
