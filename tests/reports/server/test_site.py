"""What gatelab ui answers, request by request; test_ui_in_browser.py uses it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from markupsafe import escape
from run_folders import Folders, write_curves, write_rows
from served import ask, serving
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.reports.pages.run_page import write_report
from gatelab.reports.pages.sweep_page import write_sweep
from gatelab.reports.server import cache
from gatelab.runs import load as load_module
from gatelab.runs.config import load_config
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.run_notes import Notes, write_notes

GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path / "outputs")
    for seed in (1, 2, 3):
        folders.write(seed, 0.8 + seed / 100)
        folders.write(seed, 0.7 + seed / 100, settings=GRU)
    return folders


@pytest.fixture
def port(folders: Folders) -> Iterator[int]:
    with serving(folders.output_dir) as port:
        yield port


@pytest.fixture
def run(folders: Folders, hostile_run: Path) -> RunFolder:
    """A real run, among the others."""
    return RunFolder(shutil.copytree(hostile_run, folders.output_dir / "default" / hostile_run.name))


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(file): (file.stat().st_mtime_ns, file.stat().st_size) for file in folder.rglob("*")}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_a_request_to_this_machine_by_any_of_its_names_is_answered(host: str, port: int) -> None:
    assert ask(port, "/", host=f"{host}:{port}").status == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}@evil", "127.0.0.1:0{port}", "127.0.0.1:+{port}", "127.1:{port}", "localhost.:{port}", "127.0.0.1:{port}/",
             "[::ffff:127.0.0.1]:{port}", "127.0.0.1:{port},evil", "evil.example", "evil.example:{port}", "localhost:1", "localhost", "127.0.0.1.evil.example:{port}", "0.0.0.0:{port}", ""]
)  # fmt: skip
def test_a_name_that_was_made_to_point_here_is_refused(host: str, port: int) -> None:
    answer = ask(port, "/", host=host.format(port=port))
    assert (answer.status, "runs" in answer.body) == (403, False)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_it_only_reads(method: str, port: int, folders: Folders) -> None:
    before = state_of(folders.output_dir)
    answer = ask(port, "/", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert state_of(folders.output_dir) == before


def test_head_is_get_without_the_body(port: int) -> None:
    get, head = ask(port, "/"), ask(port, "/", method="HEAD")
    assert (head.status, head.body) == (200, "")
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.body.encode()))


def test_a_page_of_another_site_may_link_here_and_nothing_else(port: int) -> None:
    foreign = {"Sec_Fetch_Site": "cross-site"}
    assert ask(port, "/", **foreign, Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest="image").status == 403
    assert ask(port, "/", **foreign, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe").status == 403
    assert ask(port, "/", **foreign, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document").status == 200


def test_every_answer_forbids_sniffing_framing_and_scripts_that_are_not_ours(port: int, run: RunFolder) -> None:
    identity = f"default/{run.path.name}"
    for path in (
        "/",
        "/nothing",
        "/compare",
        f"/{identity}/report.html",
        f"/{identity}/run.json",
        f"/{identity}/figures/calibration.svg",
    ):
        headers = ask(port, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy.split("script-src")[-1] or "script-src" not in policy
        assert "Access-Control-Allow-Origin" not in headers


ESCAPES = [
    "/../secret.csv", "/sweep/../../secret.csv", "/..%2fsecret.csv", "/%2e%2e/secret.csv", "/sweep/%2e%2e/%2e%2e/secret.csv",
    "/sweep/..%5c..%5csecret.csv", "/sweep/..\\..\\secret.csv", "//{root}/secret.csv", "/{root}/secret.csv", "/%2f{root}/secret.csv",
    "/sweep/%252e%252e/%252e%252e/secret.csv", "/sweep/linked/metrics.csv", "/linked/0000000001/metrics.csv",
    "/linked/report.html", "/sweep/0000000001/metrics.csv%00.svg", "/sweep/0000000001/figures/../../../../secret.csv",
    "/sweep/0000000001/figures/linked.svg", "/sweep/./0000000001/metrics.csv", "file:///{root}/secret.csv",
    "/sweep/0000000001/report.html/../../../secret.csv", "/compare?run=../../secret", "/compare?name=..", "/compare?name=linked",
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_outside_the_output_folder_is_served(path: str, folders: Folders) -> None:
    root, elsewhere = folders.output_dir.parent, Folders(folders.output_dir.parent / "elsewhere")
    (root / "secret.csv").write_text("secret", encoding="utf-8")
    outside = elsewhere.write(1, 0.123456, name="other")
    outside.metrics.write_text("secret", encoding="utf-8")
    (folders.output_dir / "sweep" / "linked").symlink_to(outside.path)
    (folders.output_dir / "linked").symlink_to(outside.path.parent)
    figures = folders.output_dir / "sweep" / "0000000001" / "figures"
    figures.mkdir()
    (figures / "linked.svg").symlink_to(root / "secret.csv")
    with serving(folders.output_dir) as port:
        answer = ask(port, path.format(root=str(root).lstrip("/")))
        assert (answer.status >= 400, "secret" in answer.body.replace("secret:", ""), "0.1234" in answer.body) == (
            True,
            False,
            False,
        )
        assert "linked" not in ask(port, "/").body


@pytest.mark.parametrize(
    "file",
    ["checkpoints/best.ckpt", "model/config.json", "model/model.safetensors", "notes.html", "evil.js", ".hidden.csv",
     "figures/evil.html", "figures/deep/down/x.svg", "wandb/run.json"],
)  # fmt: skip
def test_no_file_of_an_unknown_kind_or_place_is_served(file: str, folders: Folders, port: int) -> None:
    path = folders.output_dir / "sweep" / "0000000001" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("content", encoding="utf-8")
    assert ask(port, f"/sweep/0000000001/{file}").status == 404


def test_the_files_of_a_run_are_served_as_what_they_are(port: int, run: RunFolder) -> None:
    kinds = {
        "run.json": "application/json",
        "config.yaml": "text/plain; charset=utf-8",
        "predictions.csv": "text/plain; charset=utf-8",
        "figures/calibration.svg": "image/svg+xml",
        "figures/calibration.pdf": "application/pdf",
    }
    for file, kind in kinds.items():
        answer = ask(port, f"/default/{run.path.name}/{file}")
        assert (answer.status, answer.headers["Content-Type"].replace("svg+xml; charset=utf-8", "svg+xml")) == (
            200,
            kind,
        )
    assert ask(port, f"/default/{run.path.name}/run.json").body == run.record_file.read_text(encoding="utf-8")


def test_a_script_in_a_report_or_a_picture_that_somebody_else_made_does_not_run(port: int, run: RunFolder) -> None:
    evil = "<script>fetch('/')</script>"
    run.report.write_text(evil, encoding="utf-8")
    (run.figures / "evil.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{evil}</svg>', encoding="utf-8")
    page = ask(port, f"/default/{run.path.name}/report.html")
    assert (page.status, evil in page.body) == (200, False)  # made anew, since its policy is not ours
    write_report(run, gates=False)
    stored = run.report.read_text(encoding="utf-8").replace("</body>", f"{evil}</body>")
    run.report.write_text(stored, encoding="utf-8")
    policy = ask(port, f"/default/{run.path.name}/report.html").headers["Content-Security-Policy"]
    assert "script-src 'sha256-" in policy  # the one script alone
    assert "unsafe" not in policy
    policy = ask(port, f"/default/{run.path.name}/figures/evil.svg").headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


def test_the_policy_of_a_page_in_its_header_is_that_in_it(port: int, run: RunFolder) -> None:
    for path in ("/", "/sweep/report.html", f"/default/{run.path.name}/report.html"):
        answer = ask(port, path)
        policy = answer.headers["Content-Security-Policy"].partition("; frame-ancestors")[0]
        # Else a browser refuses the style and script of one of them.
        assert f'content="{escape(policy)}"' in answer.body, path


def test_a_note_stands_at_once_on_the_page_of_its_run_and_in_the_table(port: int, run: RunFolder) -> None:
    paths = (f"/default/{run.path.name}/report.html", "/")
    assert all(">wide</span>" not in ask(port, path).body for path in paths)
    write_notes(run, Notes(note="the <b>best", tags=["wide"]))
    for path in paths:
        body = ask(port, path).body
        assert ("<bdi>the &lt;b&gt;best</bdi>" in body, '<span class="tag">wide</span>' in body) == (True, True), path


def test_all_runs_of_all_names_stand_in_the_table_as_they_are_now(port: int, folders: Folders) -> None:
    folders.write(9, status="failed", name="broken <b>", error="RunError: no")
    body = ask(port, "/").body
    assert "<h1>7 runs under 2 names</h1>" in body
    assert "broken &lt;b&gt;" in body
    assert 'href="broken%20%3Cb%3E/report.html"' in body
    running = folders.write(10, status="running", name="live")
    with running.locked():
        assert '<span class="status running">' in ask(port, "/").body
    assert '<span class="status running">' not in ask(port, "/").body  # its process let go without finishing
    shutil.rmtree(running.path)
    assert "<h1>7 runs under 2 names</h1>" in ask(port, "/").body


def test_a_run_without_a_report_gets_one_that_is_not_written(port: int, run: RunFolder, folders: Folders) -> None:
    shutil.rmtree(run.figures)
    run.report.unlink()
    before = state_of(folders.output_dir)
    answer = ask(port, f"/default/{run.path.name}/report.html")
    assert "macro-F1 on 120 test rows" in answer.body
    for path in ("/", "/sweep/report.html", "/compare?name=sweep"):
        assert ask(port, path).status == 200
    assert state_of(folders.output_dir) == before


def test_a_stored_page_is_served_until_what_it_tells_of_changes(port: int, folders: Folders) -> None:
    write_sweep(all_runs(folders.output_dir), metrics=["accuracy"])
    assert "macro-F1 over 3 seeds" in ask(port, "/sweep/report.html").body  # not one made with options
    page, *_ = write_sweep(all_runs(folders.output_dir))
    assert '<meta name="runs"' in page.read_text(encoding="utf-8")
    assert ask(port, "/sweep/report.html").body == page.read_text(encoding="utf-8")
    is_open = '<meta name="state"'  # of a page that follows its runs, which goes on once they have ended
    assert is_open in ask(port, "/sweep/report.html", If_None_Match='"before"').body
    new = folders.write(4, 0.9)
    os.utime(new.record_file, ns=(0, 0))  # of a folder copied from elsewhere
    assert "7 runs, 7 finished" in ask(port, "/sweep/report.html").body
    os.utime(new.record_file)
    assert "7 runs, 7 finished" in ask(port, "/sweep/report.html").body
    shutil.rmtree(new.path)
    assert ask(port, "/sweep/report.html").body == page.read_text(encoding="utf-8")
    page.write_text(page.read_text(encoding="utf-8").replace("sha256-", "sha256-other-", 1), encoding="utf-8")
    assert "sha256-other-" not in ask(port, "/sweep/report.html").body[:600]  # of another version of gatelab


def test_a_run_that_is_running_is_shown_as_far_as_it_is(port: int, run: RunFolder) -> None:
    run.predictions.unlink()
    run.update(status="running")
    with run.locked():
        assert "is running, after 3 epochs" in ask(port, f"/default/{run.path.name}/report.html").body
        write_curves(run, {"validation/macro_f1": [0.1, 0.2, 0.3, 0.4]})
        assert "is running, after 4 epochs" in ask(port, f"/default/{run.path.name}/report.html").body


def test_what_is_picked_is_compared_by_the_keys_asked_for(port: int, folders: Folders) -> None:
    folders.write(1, 0.55, name="other", identity="0fedcba987")
    answer = ask(port, "/compare?name=sweep&run=other/0fedcba987&by=name&metric=accuracy")
    assert answer.status == 200
    assert "<b>sweep, other</b> · 7 runs, 7 finished" in answer.body
    assert 'href="sweep/0000000001/report.html"' in answer.body
    assert "0.5500" in answer.body
    again = ask(port, "/compare?run=other/0fedcba987&run=sweep/0000000001")
    assert "2 runs, 2 finished" in again.body


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/compare", 400, "Nothing is selected."),
        ("/compare?name=nowhere", 404, "nowhere: there is no such run or name any more."),
        ("/compare?name=sweep&by=encodr", 400, "Did you mean"),
        ("/sweep/ffffffffff/report.html", 404, "There is"),
        ("/nowhere/report.html", 404, "There"),
        ("/favicon.ico", 404, "There"),
        ("/sweep/", 404, "There"),
        ("/%FF%FE/report.html", 404, "There"),
        (f"/{'x' * 300}/report.html", 404, "There"),
        ("/loop/0000000001/run.json", 404, "There"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(path: str, status: int, words: str, port: int, folders: Folders) -> None:
    (folders.output_dir / "loop").symlink_to("loop")
    answer = ask(port, path)
    assert answer.status == status
    assert words in answer.body
    assert "Traceback" not in answer.body


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", b"{", "is not valid JSON"),
        ("run.json", b"", "is not valid JSON"),
        ("run.json", b"[]", "is not the record of a run"),
        ("run.json", b'{"a": "\xff"}', "is not UTF-8"),
        ("config.yaml", b"a: [", "is not valid YAML"),
        ("config.yaml", b"a: \xff", "is not valid YAML"),
    ],
)
def test_a_damaged_folder_is_named_and_hides_no_other(
    file: str, content: bytes, words: str, port: int, folders: Folders
) -> None:
    damaged = folders.write(5)
    (damaged.path / file).write_bytes(content)
    for path in ("/", "/sweep/report.html", "/compare?name=sweep"):
        answer = ask(port, path)
        assert (answer.status, "6 runs" in answer.body, words in answer.body) == (200, True, True), path
        assert damaged.path.name in answer.body
    assert words in ask(port, f"/sweep/{damaged.path.name}/report.html").body


def test_values_of_another_kind_than_training_writes_hide_no_run(port: int, folders: Folders) -> None:
    folders.write(5, 0.9, seconds=None, job=None)
    folders.write(6, 0.9, started=5)
    for path in ("/", "/sweep/report.html", "/compare?name=sweep"):
        assert (ask(port, path).status, "8 runs" in ask(port, path).body) == (200, True)


def test_rows_that_cannot_be_read_cost_the_page_that_section_alone(port: int, folders: Folders) -> None:
    for folder in all_runs(folders.output_dir):
        write_rows(folder, {2: ("pos", "pos" if "1" in folder.path.name else "neg"), 3: ("neg", "pos")})
    assert "<h2>Where arms disagree</h2>" in ask(port, "/sweep/report.html").body
    cut = all_runs(folders.output_dir)[0].predictions
    cut.write_text(cut.read_text(encoding="utf-8")[:-3], encoding="utf-8")
    os.utime(all_runs(folders.output_dir)[0].record_file)
    body = ask(port, "/sweep/report.html").body
    assert "its last line is not complete" in body
    assert "<h2>Where arms disagree</h2>" not in body
    assert "0.8200" in body


def test_a_page_tells_of_a_run_as_it_is_now_and_of_its_death(port: int, folders: Folders) -> None:
    running = folders.write(5, status="running")
    paths = ("/sweep/report.html", f"/compare?run=sweep/{running.path.name}&name=sweep")
    with running.locked():
        write_curves(running, {"validation/macro_f1": [0.111, 0.2]})
        write_sweep(all_runs(folders.output_dir))  # a page of that moment
        assert all('<span class="status running">' in ask(port, path).body for path in paths)
    for path in paths:
        body = ask(port, path).body
        assert '<span class="status running">' not in body
        assert '<span class="status interrupted">' in body


def test_a_file_that_a_link_brings_from_elsewhere_is_not_read_for_a_page(folders: Folders) -> None:
    secret = folders.output_dir.parent / "secret.yaml"
    secret.write_text("token_of_bank: hunter2\n", encoding="utf-8")
    linked = folders.write(5, 0.9)
    linked.config.unlink()
    linked.config.symlink_to(secret)
    with serving(folders.output_dir) as port:
        for path in ("/", "/sweep/report.html", "/compare?name=sweep"):
            assert "hunter2" not in ask(port, path).body
        assert ask(port, f"/sweep/{linked.path.name}/report.html").status == 404


def test_names_and_keys_may_have_spaces_and_a_name_may_be_that_of_a_folder_of_pictures(
    port: int, folders: Folders
) -> None:
    run = folders.write(5, 0.9, name="figures")
    assert ask(port, f"/figures/{run.path.name}/run.json").status == 200
    assert ask(port, "/compare?name=sweep&by=encoder,%20seed&metric=macro_f1,%20accuracy").status == 200


def test_a_range_beyond_the_file_is_refused_as_such(port: int, folders: Folders) -> None:
    assert ask(port, "/sweep/0000000001/run.json", Range="bytes=99999999-").status == 416


def test_runs_are_read_again_only_once_their_files_change(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def load(folder: RunFolder) -> dict[str, Any]:
        opened.append(folder.path.name)
        return load_config(folder)

    monkeypatch.setattr(load_module, "load_config", load)
    known, runs = cache.RunCache(), all_runs(folders.output_dir)
    known.read(runs)
    assert len(opened) == 6
    runs[0].update(seed=77, longer=True)
    opened.clear()
    again, _ = known.read(runs)
    assert opened == [runs[0].path.name]
    assert [run.record.seed for run in again].count(77) == 1


def test_a_port_that_is_taken_and_a_folder_that_is_not_there_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["ui", "--port", number, "--output-dir", str(tmp_path)])
    assert (result.exit_code, f"--port {number}: cannot be used" in result.output) == (2, True)
    result = CliRunner().invoke(app, ["ui", "--output-dir", str(tmp_path / "nowhere")])
    assert (result.exit_code, "no such folder" in result.output.replace("\n", " ")) == (2, True)


def test_the_command_says_its_address_listens_to_this_machine_alone_and_ends_with_ctrl_c(folders: Folders) -> None:
    command = [sys.executable, "-m", "gatelab.cli", "ui", "--port", "0", "--output-dir", str(folders.output_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[2]
        assert address.startswith("http://127.0.0.1:")
        assert b"6 runs" in urlopen(address, timeout=30).read()
        port = urlsplit(address).port or 0
        for other in {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}:
            if not other.startswith("127."):
                with pytest.raises((ConnectionRefusedError, TimeoutError)):
                    socket.create_connection((other, port), timeout=2).close()
    finally:
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert "Traceback" not in process.stdout.read()
