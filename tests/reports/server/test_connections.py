"""Clients of gatelab ui that are slow, many or talk too much."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from served import TOKEN, ask, raw, serving

from gatelab.reports.server import connections


@pytest.fixture
def port(output_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "MAX_SECONDS", 0.5)
    with serving(output_dir) as port:
        yield port


def head(port: int, *more: str) -> bytes:
    lines = ["GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Cookie: gatelab-{port}={TOKEN}", *more]
    return "".join(f"{line}\r\n" for line in lines).encode()


def test_four_hundred_slow_clients_hold_few_threads_and_keep_nobody_out(
    output_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_SECONDS", 30.0)
    with serving(output_dir) as port:
        before = threading.active_count()
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(400)]
        for client in slow:
            with suppress(OSError):  # closed already, for a later one
                client.sendall(b"GET / HTTP/1.1\r\n")
        assert ask(port, "/").status == 200
        end = time.monotonic() + 10  # until the threads of those that were closed have noticed
        while (num_threads := threading.active_count() - before) > 64 and time.monotonic() < end:
            time.sleep(0.05)
        assert 0 < num_threads <= 64
        for client in slow:
            client.close()


def test_a_request_that_comes_byte_by_byte_has_its_time_as_a_whole(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        begin = time.monotonic()
        with suppress(OSError):
            for byte in head(port) * 10:
                client.sendall(bytes([byte]))
                time.sleep(0.1)
        assert time.monotonic() - begin < 5


def test_a_client_that_does_not_read_is_left(port: int, output_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (output_dir / "sweep" / "0000000001" / "metrics.csv").write_bytes(b"x" * 20_000_000)
    before = threading.active_count()
    request = head(port).replace(b"GET / ", b"GET /sweep/0000000001/metrics.csv ") + b"\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(request)
        time.sleep(0.3)
        assert threading.active_count() == before + 1
        end = time.monotonic() + 5
        while threading.active_count() > before and time.monotonic() < end:
            time.sleep(0.05)
        assert threading.active_count() == before


@pytest.mark.parametrize("line", ["X: " + "x" * 40_000, "\r\n".join(f"X{number}: {'x' * 900}" for number in range(60))])
def test_a_request_that_is_too_long_is_refused(line: str, port: int) -> None:
    assert raw(port, head(port, line) + b"\r\n").split()[1] == b"431"


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"],
        ["Content-Length: 99999999999999999999"],
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked"],
    ],
)
def test_what_a_request_says_of_its_body_changes_nothing(lines: list[str], port: int) -> None:
    for method, status in (("GET", b"200"), ("POST", b"405")):
        request = head(port, *lines).replace(b"GET", method.encode())
        answer = raw(port, request + b"\r\nZZ\r\nGET /sweep/0000000001/run.json HTTP/1.1\r\n\r\n")
        assert (answer.split()[1], answer.count(b"HTTP/1.1 ")) == (status, 1)


def test_a_second_request_and_a_body_on_one_connection_are_not_read(port: int) -> None:
    answer = raw(port, (head(port) + b"\r\n") * 2)
    assert answer.count(b"HTTP/1.1 200") == 1
    length = "Content-Length: 10000000000"
    begin = time.monotonic()
    assert raw(port, head(port, length) + b"\r\n" + b"x" * 100_000).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - begin < 0.4


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_no_page(request_: bytes, port: int) -> None:
    assert b"2 runs" not in raw(port, request_)
    assert ask(port, "/").status == 200


def test_an_answer_that_breaks_off_leaves_nothing_on_the_screen(caplog: pytest.LogCaptureFixture) -> None:
    def broken(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"as far as"
        raise ValueError("\x1b[2J a text of somebody else")

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    server = connections.Server(listening, broken)
    with listening, socket.create_connection(listening.getsockname(), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        server.handle_request()
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    server.server_close()
    assert b"as far as" in answer
    assert caplog.records == []  # which werkzeug would show
