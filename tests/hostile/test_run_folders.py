"""One damaged run folder beside a healthy one: every command and page shows the healthy one, and says what is wrong with the other.

In this process, since a case takes milliseconds; every field of the record and of the config × every wrong value, a few a field.
"""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from run_folders import shorten_answers
from typer.testing import CliRunner
from werkzeug.test import Client

import gatelab
from gatelab.cli import app
from gatelab.errors import RunError
from gatelab.reports.server.site import Site
from gatelab.runs.folder import RunFolder, all_runs

HEALTHY, DAMAGED = "0000000001", "0000000002"
HTML = "<script>alert(1)</script>\x1b[31m\n"
DEEP: Any = json.loads("[" * 200 + "]" * 200)
WRONG: list[Any] = [
    None, True, 0, -1, 10**400, float("nan"), 1e308, -1e308, "", HTML, "\ud800", [], [None], [[1]], [{}], {}, {"a": None}, {"": {"": []}}, DEEP,
]  # fmt: skip
STEP = 5  # of the wrong values each field gets every fifth, another first one each
MADE_BEFORE = next(run for run in all_runs(Path(__file__).parents[1] / "runs" / "made_before") if run.model.exists())
FILES = ("run.json", "config.yaml", "metrics.csv", "predictions.csv", "examples.json", "equations.json", "figures/gates/1.npz", "gates.npz", "shared_reading.npz")  # fmt: skip
CONTENTS = [b"", b"\xff\xfe\x00", b"[" * 100_000, b"null", b"{}", b"[{}]", b'{"a": [1]}', b"9" * 6000, "<html>".encode("utf-16"), b"PK\x03\x04" + bytes(50)]  # fmt: skip


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield here
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in items[:8]:
        yield from places(inner, (*here, key))


def put(values: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    items = values.items() if isinstance(values, dict) else enumerate(values)
    changed = {key: put(value, place[1:], new) if key == place[0] else value for key, value in items}
    return changed if isinstance(values, dict) else list(changed.values())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folders")
    for identity in (HEALTHY, DAMAGED):
        shutil.copytree(MADE_BEFORE.path, root / "default" / identity)
        (root / "default" / identity / "report.html").unlink(missing_ok=True)
    return root


@pytest.fixture
def damaged(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shorten_answers(monkeypatch)
    folder = root / "default" / DAMAGED
    yield folder
    shutil.rmtree(folder)
    shutil.copytree(root / "default" / HEALTHY, folder)


def check(root: Path, *, is_refused: bool = False) -> None:
    """is_refused: the folder as a whole, by name; else some surfaces may show it."""
    damaged = str(root / "default" / DAMAGED)
    where = ["--output-dir", str(root)]
    for command in (["runs"], ["compare", "default", "--by", "seed", "--csv", "-"]):
        done = CliRunner().invoke(app, [*command, *where])
        assert (done.exit_code, "\x1b" in done.output) == (0, False), (command, done.exception, done.output)
        assert not is_refused or DAMAGED in done.output, command
    done = CliRunner().invoke(app, ["show", damaged, *where])
    assert isinstance(done.exception, SystemExit | None), done.exception
    with warnings.catch_warnings(record=True) as warned:
        runs = gatelab.load_runs(output_dir=root)
    assert HEALTHY in [run.identity for run in runs]
    assert any(DAMAGED in str(warning.message) for warning in warned) is is_refused
    client = browser(root)
    for path in ("/", "/default/report.html", f"/default/{DAMAGED}/report.html"):
        answer = client.get(path, headers={"Host": "localhost"})
        allowed = (200, 400, 404) if DAMAGED in path else (200,)
        assert (answer.status_code in allowed, HTML in answer.text) == (True, False), (path, answer.text[-300:])
        assert DAMAGED in path or HEALTHY in answer.text


def browser(root: Path) -> Client:
    """One that the server of the folders knows."""
    client = Client(Site(root, 80, "token"))
    client.set_cookie("gatelab-80", "token")
    return client


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[], None]:
    """A case in the figure of all attacks."""
    return lambda: record_property("attack", "refused")


def cases(values: Any) -> list[tuple[tuple[Any, ...], Any]]:
    found = [place for place in places(values) if place[:1] != ("versions",) or len(place) < 3]
    return [(place, wrong) for number, place in enumerate(found) for wrong in WRONG[number % STEP :: STEP]]


@pytest.mark.parametrize("part", range(4))
def test_a_wrong_value_anywhere_in_the_record(part: int, root: Path, damaged: Path, count: Callable[[], None]) -> None:
    record = json.loads(MADE_BEFORE.record_file.read_text(encoding="utf-8"))
    for place, wrong in cases(record)[part::24]:
        (damaged / "run.json").write_text(json.dumps(put(record, place, wrong)), encoding="utf-8")
        is_deep = wrong is DEEP and place != ("schema_version",)
        check(root, is_refused=is_deep or (not place and not isinstance(wrong, dict)))
        count()


@pytest.mark.parametrize("part", range(2))
def test_a_wrong_value_anywhere_in_the_config(part: int, root: Path, damaged: Path, count: Callable[[], None]) -> None:
    config = yaml.safe_load(MADE_BEFORE.config.read_text(encoding="utf-8"))
    found = [(place, wrong) for place, wrong in cases(config) if wrong != "\ud800"]
    for place, wrong in found[part::12]:
        text = yaml.safe_dump(put(config, place, wrong), allow_unicode=True)
        (damaged / "config.yaml").write_text(text, encoding="utf-8")
        is_class = bool(place) and place[-1] == "_target_" and not isinstance(wrong, str)
        check(
            root,
            is_refused=wrong is DEEP or wrong == 10**400 or is_class or (not place and not isinstance(wrong, dict)),
        )
        count()


def hole(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(2**40)


KINDS: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo, "a folder": Path.mkdir, "a link to nothing": lambda file: file.symlink_to("nothing"),
    "a link to itself": lambda file: file.symlink_to(file.name), "an endless device": lambda file: file.symlink_to("/dev/zero"),
    "absent": lambda _: None, "an endless hole": hole,
}  # fmt: skip


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(kind: str, file: str, root: Path, damaged: Path, count: Callable[[], None]) -> None:
    (damaged / file).unlink(missing_ok=True)
    KINDS[kind](damaged / file)
    if file != "run.json" or kind in ("a FIFO", "a folder", "an endless device"):  # without one it is no run
        check_quickly(root, damaged)
        count()


def check_quickly(root: Path, damaged: Path) -> None:
    """All readers of the folder, without the pages of the others."""
    done = CliRunner().invoke(app, ["runs", "--output-dir", str(root)])
    assert (done.exit_code, HEALTHY in done.output, DAMAGED in done.output.replace("\n", "")) == (0, True, True), (
        done.exception
    )
    assert browser(root).get(f"/default/{DAMAGED}/report.html", headers={"Host": "localhost"}).status_code in (
        200,
        400,
        404,
    )
    problem = DAMAGED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run = gatelab.load_run(damaged)
            _ = run.settings, run.curves, run.predictions
        except RunError as error:
            problem = str(error)
    assert DAMAGED in problem


@pytest.mark.parametrize("file", FILES)
def test_what_is_another_kind_of_file(file: str, root: Path, damaged: Path, count: Callable[[], None]) -> None:
    for content in CONTENTS:
        (damaged / file).write_bytes(content)
        check_quickly(root, damaged)
        count()


READERS = {
    "run.json": ("gates", "generate", "gradients", "export", "note", "tag", "archive"),
    "config.yaml": ("gradients",),
    "notes.json": ("note", "tag"),
    "model/config.json": ("gates", "generate", "export"),
    "model/tokenizer.json": ("gates", "export"),
    "model/model.safetensors": ("gates", "export"),
}


@pytest.mark.parametrize("file", READERS)
def test_every_command_that_reads_a_damaged_file_answers(
    file: str, root: Path, damaged: Path, count: Callable[[], None], tmp_path: Path
) -> None:
    words = {
        "gates": ["gates", str(damaged), "a text", "--out", str(tmp_path / "gates.svg")],
        "export": ["export", str(damaged), "--torch", str(tmp_path / "model.pt2")],
        "tag": ["note", str(damaged), "a note", "--tag", "odd"],
        "archive": ["rm", str(damaged), "--archive", "--yes"],
    }
    for content in CONTENTS:
        for command in READERS[file]:
            damaged.mkdir(exist_ok=True)
            (damaged / file).write_bytes(content)
            done = CliRunner().invoke(app, [*words.get(command, [command, str(damaged)]), "--output-dir", str(root)])
            assert isinstance(done.exception, SystemExit | None), (command, content, done.exception)
            assert "\x1b" not in done.output, (command, content)
            count()
        shutil.rmtree(root / ".archive", ignore_errors=True)


def test_a_reading_whose_arrays_do_not_fit(root: Path, damaged: Path, count: Callable[[], None]) -> None:
    file = RunFolder(damaged).gates / "1.npz"
    arrays = dict(np.load(file))
    for name in list(arrays)[::3]:
        for wrong in (np.zeros(0), np.array(5), np.array("x"), np.zeros((2, 2, 2, 2))):
            np.savez(file, **{**arrays, name: wrong})
            check_quickly(root, damaged)
            count()


def test_curves_that_cannot_be_read_are_a_caution_on_the_page_of_the_name(root: Path, damaged: Path) -> None:
    (damaged / "metrics.csv").write_text("epoch,step,name,value\n0,1,validation/macro_f1,x\n", encoding="utf-8")
    check(root)
    page = browser(root).get("/default/report.html", headers={"Host": "localhost"}).text
    assert f"{DAMAGED}/metrics.csv: cannot be read as metrics" in page
