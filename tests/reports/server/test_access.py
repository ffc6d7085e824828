"""Who may ask gatelab ui: the token of the printed address, and only one's own Host, Origin and pages."""

import stat
import webbrowser
from pathlib import Path

import pytest
from served import TOKEN, ask, raw, serving

from gatelab.commands import ui

SENTENCE = "Open the address that gatelab ui has printed"


def test_without_the_token_nothing_is_told(output_dir: Path) -> None:
    with serving(output_dir) as port:
        for path in ("/", "/sweep/0000000001/run.json", "/nowhere", "/?token=", "/?token=wrong", "/?token=%FF%C3%A9"):
            for cookie in ("", "gatelab-1=x", f"gatelab-{port}=wrong", f"other={TOKEN}", f"gatelab-1={TOKEN}"):
                answer = ask(port, path, Cookie=cookie)
                assert (answer.status, SENTENCE in answer.body, len(answer.body) < 100) == (403, True, True)
                assert "Set-Cookie" not in answer.headers


def test_the_tokens_address_gives_a_cookie_that_scripts_and_other_sites_do_not_get(output_dir: Path) -> None:
    with serving(output_dir) as port:
        first = ask(port, f"/?token={TOKEN}", Cookie="")
        cookie, *attributes = first.headers["Set-Cookie"].split("; ")
        assert (first.status, set(attributes)) == (200, {"HttpOnly", "Path=/", "SameSite=Strict"})
        assert ask(port, "/sweep/0000000001/run.json", Cookie=cookie).status == 200


def test_a_refused_request_with_the_token_gives_no_cookie(output_dir: Path) -> None:
    with serving(output_dir) as port:
        assert "Set-Cookie" not in ask(port, f"/?token={TOKEN}", host="evil.example").headers


def test_a_page_of_another_port_may_link_here_and_nothing_else(output_dir: Path) -> None:
    with serving(output_dir) as port:
        for mode, kind in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("", "")):
            assert ask(port, "/", Sec_Fetch_Site="same-site", Sec_Fetch_Mode=mode, Sec_Fetch_Dest=kind).status == 403
        link = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert ask(port, "/", Sec_Fetch_Site="same-site", **link).status == 200
        assert ask(port, "/", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors", Sec_Fetch_Dest="empty").status == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1:{port}", ""]
)
def test_a_request_of_another_origin_is_refused(origin: str, output_dir: Path) -> None:
    with serving(output_dir) as port:
        assert ask(port, "/", Origin=origin.format(port=port)).status == 403
        assert ask(port, "/", Origin=f"http://127.0.0.1:{port}").status == 200


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://evil.example/", "127.0.0.1:{port}"),
        ("http://127.0.0.1:{port}/", "evil.example"),
        ("http://127.0.0.1:{port}/", "127.0.0.1:{port}"),
        ("http://me@127.0.0.1:{port}/", "127.0.0.1:{port}"),
        ("/", "127.0.0.1:{port}\r\nHost: evil.example"),
        ("/", "evil.example\r\nHost: 127.0.0.1:{port}"),
        ("/", "127.0.0.1:{port} evil.example"),
        ("*", "127.0.0.1:{port}"),
        ("evil", "127.0.0.1:{port}"),
    ],
)
def test_only_a_path_and_one_host_of_ours_are_answered(target: str, host: str, output_dir: Path) -> None:
    with serving(output_dir) as port:
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", f"Cookie: gatelab-{port}={TOKEN}", "", ""]
        answer = raw(port, "\r\n".join(lines).format(port=port).encode())
        assert answer.split()[1] in (b"400", b"403")
        assert b"2 runs" not in answer


def test_the_browsers_command_line_has_no_token(output_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def look(url: str) -> None:
        file = Path(url.removeprefix("file://"))
        opened.append((file, stat.S_IMODE(file.stat().st_mode), file.read_text(encoding="utf-8")))

    monkeypatch.setattr(webbrowser, "open", look)
    monkeypatch.setattr("gatelab.reports.server.connections.Server.serve_forever", lambda _: None)
    monkeypatch.setattr(ui.secrets, "token_urlsafe", lambda _: TOKEN)
    ui.serve(output_dir, 0, open_browser=True)
    ((file, mode, content),) = opened
    assert (TOKEN in str(file), oct(mode), f"/?token={TOKEN}" in content, file.exists()) == (
        False,
        "0o600",
        True,
        False,
    )
