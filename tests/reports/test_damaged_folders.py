"""Whatever stands in the files of a run folder, commands and pages answer with the run or a sentence, never a traceback."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_folders import shorten_answers
from typer.testing import CliRunner
from werkzeug.test import Client

from gatelab.cli import app
from gatelab.reports.server.site import Site
from gatelab.runs.folder import RunFolder

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    float("nan"),
    "",
    "x",
    "\ud800",
    [],
    [None],
    [[1]],
    {},
    {"a": None},
    {"": {"": []}},
]
CONFIGS = [
    b"", b"null", b"5", b"- a", b"a: [", b"a: \xff", b"a: &a {b: *a}", b"1: 2\n[a]: b", b"a: !!python/object:x.y z", b"\x00",
    b"a: 2001-99-99", b"seed: 1" + b"0" * 400, b"seed: .nan", b"a: " + b"[" * 3000, b"data: 5\nencoder: [x]\noptimizer: null",
    b"trainer: {max_epochs: x}\ndata: {batch_size: y}", b"search: {metric: [a]}", b"experiment: {published: {accuracy: [1]}}",
]  # fmt: skip
HEADER = b"epoch,step,name,value\n"
METRICS = [
    b"", b"x\n", b"\xff\xfe\x00\n", HEADER + b"0,0,train/loss,x\n", HEADER + b"-1,-1,validation/loss,1\n", HEADER + b"0\n",
    HEADER + b"9" * 5000 + b",1,validation/macro_f1,nan\n", HEADER + b"0,5,validation/macro_f1,0.5\n0,9,validation/macro_f1,inf\n",
]  # fmt: skip
ROWS = [
    b"",
    b"\xff",
    b"file,line\n",
    b"file,line,tokens,label,prediction,probability:a\nx,1,2,a,b,0.5\n",
    b"a" * 200_000,
]


@pytest.fixture
def root(hostile_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two finished runs, the second to be damaged. Pictures are left out, which take most of the time."""
    for name in ("figures.draw_figures", "sweep_figures.draw_sweep_figures"):
        monkeypatch.setattr(f"gatelab.reports.charts.{name}", lambda *_: [])
    shorten_answers(monkeypatch)
    for identity in ("0000000001", "0000000002"):
        shutil.copytree(hostile_run, tmp_path / "default" / identity)
    return tmp_path


def answers(root: Path) -> None:
    damaged = str(root / "default" / "0000000002")
    commands = (["runs"], ["runs", "--mean"], ["runs", "--watch"], ["compare", "default", "--by", "seed"], ["report", "default"], ["report", damaged])  # fmt: skip
    for command in commands:
        done = CliRunner().invoke(app, [*command, "--output-dir", str(root)])
        assert done.exit_code in (0, 2), (command, done.exception)
    client = Client(Site(root, 80, "token"))
    client.set_cookie("gatelab-80", "token")
    for path in ("/", "/default/report.html", "/default/0000000002/report.html", "/compare?name=default"):
        answer = client.get(path, headers={"Host": "localhost"})
        assert answer.status_code in ((200, 400) if path != "/" else (200,)), (path, answer.text[-300:])


def change(value: Any, draw: random.Random) -> Any:
    """A copy in which one place, anywhere, is gone or odd."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(list(value))
        rest = {**value, key: change(value[key], draw)}
        return {name: one for name, one in rest.items() if name != key} if draw.random() < 0.3 else rest
    if isinstance(value, list) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        return [*value[:place], change(value[place], draw), *value[place + 1 :]]
    return draw.choice(ODD)


@pytest.mark.parametrize("seed", range(12))
def test_a_record_that_is_damaged_anywhere(seed: int, root: Path) -> None:
    file = RunFolder(root / "default" / "0000000002").record_file
    draw = random.Random(seed)
    record = json.loads(file.read_text(encoding="utf-8"))
    record.pop("versions")  # long, and all alike
    for _ in range(draw.randint(1, 3)):
        record = change(record, draw)
    file.write_text(json.dumps(record), encoding="utf-8")
    answers(root)


@pytest.mark.parametrize(
    "key", ["metrics", "baselines", "data", "best_validation", "choices", "seconds", "started", "status"]
)
def test_a_null_is_as_if_nothing_stood_there(key: str, root: Path) -> None:
    file = RunFolder(root / "default" / "0000000002").record_file
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {key: None}), encoding="utf-8")
    answers(root)
    done = CliRunner().invoke(app, ["runs", "--output-dir", str(root)])
    assert "0000000002" in done.output


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, list[bytes | Callable[[Path], None]]] = {
    "config.yaml": [*CONFIGS, a_folder, Path.unlink],
    "metrics.csv": [*METRICS, a_folder, Path.unlink],
    "predictions.csv": [*ROWS, a_folder, Path.unlink],
    "examples.json": [b"", b"[1]", b'{"a": 1}', b'{"a": [{"file": []}]}', b"[" * 100_000, a_folder],
    "equations.json": [b"", b"[1]", b'[{"text": ""}]', b"[" * 100_000, b"\xff"],
    "run.json": [b"", b"[" * 100_000, b'"x"', b"\xff", b'{"status": 1' + b"0" * 5000 + b"}", a_folder],
}


@pytest.mark.parametrize("file", DAMAGES)
def test_a_file_that_is_no_such_file(file: str, root: Path) -> None:
    whole = root / "default" / "0000000001"
    for damage in DAMAGES[file]:
        shutil.rmtree(root / "default" / "0000000002", ignore_errors=True)
        shutil.copytree(whole, root / "default" / "0000000002")
        damaged = root / "default" / "0000000002" / file
        if callable(damage):
            damage(damaged)
        else:
            damaged.write_bytes(damage)
        answers(root)


@pytest.mark.parametrize("by", ["encoder,seed", "encoder, seed", " encoder ,seed,", "seed , encoder,,encoder"])
def test_by_is_read_alike_by_every_command_and_page(by: str, root: Path) -> None:
    done = CliRunner().invoke(app, ["compare", "default", "--by", by, "--csv", "-", "--output-dir", str(root)])
    assert (done.exit_code, "encoder=lstm" in done.output, "seed=" in done.output) == (0, True, True), done.output
    report = CliRunner().invoke(app, ["report", "default", "--by", by, "--output-dir", str(root)])
    assert report.exit_code == 0, report.output
    page = (root / "default" / "report.html").read_text(encoding="utf-8")
    asked = Client(Site(root, 80, "token")).get(
        "/compare", query_string={"name": "default", "by": by, "token": "token"}, headers={"Host": "localhost"}
    )
    for text in (page, asked.text):
        assert "encoder=lstm" in text
        assert "seed=" in text
