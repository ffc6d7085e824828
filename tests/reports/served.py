"""gatelab ui over an output folder, in a thread of the test, and plain requests to it."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gatelab.commands.ui import make_server


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@contextmanager
def serving(output_dir: Path) -> Iterator[int]:
    """Yields the port."""
    server = make_server(output_dir, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET", host: str | None = None, **headers: str) -> Answer:
    """The path goes out as it is, without any tidying by a client."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", f"127.0.0.1:{port}" if host is None else host)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    answer = Answer(response.status, dict(response.getheaders()), response.read().decode("utf-8", "replace"))
    connection.close()
    return answer
