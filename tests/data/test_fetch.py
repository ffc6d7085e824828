"""Tables from a server on the loopback interface, honest and otherwise."""

import hashlib
import io
import os
import socket
import stat
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gatelab.data.fetch import check_sha256, download, extract_table, fetch_table
from gatelab.errors import DataError

TABLE = b"text,label\ngood,pos\nbad,neg\n"
SHA256 = hashlib.sha256(TABLE).hexdigest()
HINT = "Or download it by hand."


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


class Server:
    """Serves ``pages``; the other paths misbehave, each in the way of its name."""

    def __init__(self) -> None:
        self.pages = {"/reviews.zip": zip_of(("deep/reviews.csv", TABLE), ("__MACOSX/._reviews.csv", b"x"))}
        self.requests: list[str] = []
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.answer(self)

            def log_message(self, *args: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path
        redirects = {"/start?dl=1": "/reviews.zip", "/to_file": "file:///etc/hostname", "/loop": "/loop"}
        if path in redirects:
            self.head(handler, 302, Location=redirects[path])
        elif path == "/half_way":
            self.head(handler, 200, Content_Length="100000")
            handler.wfile.write(b"x" * 500)
        elif path == "/claims_much":
            self.head(handler, 200, Content_Length="1000000000000")
        elif path == "/silent":
            self.released.wait(5)
        elif path == "/endless":
            self.head(handler, 200)
            handler.wfile.write(b"x" * 300_000)
        elif path in self.pages:
            self.head(handler, 200, Content_Length=str(len(self.pages[path])))
            handler.wfile.write(self.pages[path])
        else:
            self.head(handler, 404)

    def head(self, handler: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_table_is_fetched_through_a_redirect(server: Server, tmp_path: Path) -> None:
    table = fetch_table(f"{server.url}/start?dl=1", SHA256, tmp_path / "data")
    assert table == tmp_path / "data" / "reviews.csv"
    assert table.read_bytes() == TABLE
    assert server.requests == ["/start?dl=1", "/reviews.zip"]
    assert names_in(tmp_path / "data") == ["reviews.csv"]


def test_a_table_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    url = f"{server.url}/reviews.zip"
    first = fetch_table(url, SHA256, tmp_path)
    assert fetch_table(url, SHA256.upper(), tmp_path) == first
    assert server.requests == ["/reviews.zip"]


def test_a_table_that_was_changed_is_fetched_again(server: Server, tmp_path: Path) -> None:
    url = f"{server.url}/reviews.zip"
    fetch_table(url, SHA256, tmp_path).write_bytes(b"edited")
    assert fetch_table(url, SHA256, tmp_path).read_bytes() == TABLE
    assert len(server.requests) == 2


def test_a_wrong_checksum_leaves_what_was_there_untouched(server: Server, tmp_path: Path) -> None:
    write(tmp_path / "reviews.csv", b"mine")
    with pytest.raises(DataError) as caught:
        fetch_table(f"{server.url}/reviews.zip", "AB" * 32, tmp_path, hint=HINT)
    message = str(caught.value)
    assert message.startswith(f"{server.url}/reviews.zip: reviews.csv: has sha256")
    assert SHA256[:16] in message
    assert "ab" * 8 in message
    assert message.endswith(HINT)
    assert (tmp_path / "reviews.csv").read_bytes() == b"mine"
    assert names_in(tmp_path) == [".sha256.json", "reviews.csv"]


def test_a_page_that_is_no_zip_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    server.pages["/login"] = b"<html>please log in</html>"
    with pytest.raises(DataError, match=r"/login: archive\.zip: is no zip archive.*by hand\.$"):
        fetch_table(f"{server.url}/login", SHA256, tmp_path, hint=HINT)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/nowhere", "/nowhere: the server answered 404 Not Found"),
        ("/half_way", "broke off"),
        ("/silent", "silent for 0.2 s"),
        ("/to_file", "neither http nor https"),
        ("/loop", "could not be downloaded"),
        ("/endless", "larger than the 200,000 bytes allowed"),
        ("/claims_much", "larger than the 200,000 bytes allowed"),
        ("/large", "larger than the 200,000 bytes allowed"),
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing_behind(
    server: Server, tmp_path: Path, path: str, complaint: str
) -> None:
    server.pages["/large"] = bytes(200_001)
    with pytest.raises(DataError, match=complaint) as caught:
        download(server.url + path, tmp_path / "file", max_bytes=200_000, timeout=0.2, hint=HINT)
    assert str(caught.value).startswith(server.url + path)
    assert str(caught.value).endswith(HINT)
    assert names_in(tmp_path) == []


def test_a_server_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: nobody else answers on this port
        with pytest.raises(DataError, match="there was no connection"):
            download(f"http://127.0.0.1:{reserved.getsockname()[1]}/x", tmp_path / "file", timeout=1)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "reviews.zip", ""])
def test_only_http_urls_are_downloaded(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="is no http or https URL"):
        download(url, tmp_path / "file")
    assert names_in(tmp_path) == []


def test_a_failed_download_keeps_the_file_of_before(server: Server, tmp_path: Path) -> None:
    target = write(tmp_path / "file", b"before")
    with pytest.raises(DataError):
        download(f"{server.url}/half_way", target)
    assert target.read_bytes() == b"before"
    assert names_in(tmp_path) == ["file"]


def symlink() -> zipfile.ZipInfo:
    link = zipfile.ZipInfo("link.csv")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


@pytest.mark.parametrize(
    "member", ["../x", "a/../../x", "..\\x", "/tmp/x", "\\x", "C:\\x", "C:x", symlink()], ids=lambda m: repr(m)[:20]
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(tmp_path: Path, member: str | zipfile.ZipInfo) -> None:
    archive = write(tmp_path / "a.zip", zip_of(("reviews.csv", TABLE), (member, b"/etc/hostname")))
    with pytest.raises(DataError, match=r"a\.zip: refused, because its member"):
        extract_table(archive, tmp_path / "out")
    assert names_in(tmp_path) == ["a.zip"]


def lying(content: bytes) -> bytes:
    """A zip with 20 MB of zeros whose headers say that it holds 100 bytes."""
    return content.replace(struct.pack("<L", 20_000_000), struct.pack("<L", 100))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [(bytes, "more than the 1,000,000 bytes allowed"), (lying, "damaged")],
    ids=["true", "lying"],
)
def test_a_zip_bomb_is_refused(tmp_path: Path, change: Callable[[bytes], bytes], complaint: str) -> None:
    archive = write(tmp_path / "bomb.zip", change(zip_of(("zeros.csv", bytes(20_000_000)))))
    with pytest.raises(DataError, match=complaint):
        extract_table(archive, tmp_path / "out", max_bytes=1_000_000)
    assert names_in(tmp_path / "out") == []


def test_packing_that_cannot_be_unpacked_in_bounded_memory_is_refused(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.zip", zip_of(("reviews.csv", TABLE), method=zipfile.ZIP_BZIP2))
    with pytest.raises(DataError, match="not packed by deflate"):
        extract_table(archive, tmp_path / "out")


def test_a_damaged_archive_leaves_nothing_behind(tmp_path: Path) -> None:
    content = bytearray(zip_of(("reviews.csv", os.urandom(5000))))
    content[2000:2100] = bytes(100)
    with pytest.raises(DataError, match=r"a\.zip: "):
        extract_table(write(tmp_path / "a.zip", bytes(content)), tmp_path / "out")
    assert names_in(tmp_path / "out") == []


def test_a_link_in_the_place_of_the_table_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    victim = write(tmp_path / "victim", b"untouched")
    archive = write(tmp_path / "a.zip", zip_of(("reviews.csv", TABLE)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reviews.csv").symlink_to(victim)
    assert extract_table(archive, tmp_path / "out").read_bytes() == TABLE
    assert victim.read_bytes() == b"untouched"


def test_a_file_of_another_checksum_stays_in_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.csv", TABLE)
    check_sha256(path, SHA256)
    with pytest.raises(DataError, match=f"{SHA256[:16]}.*{'0' * 16}"):
        check_sha256(path, "0" * 64)
    assert path.read_bytes() == TABLE
