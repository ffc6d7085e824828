"""Whatever labels, texts, names and errors hold, the terminal shows them as the text they are."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import RenderableType
from rich.table import Table
from run_folders import Folders
from typer.testing import CliRunner

from gatelab import screen
from gatelab.cli import app
from gatelab.commands import predict, reproduce
from gatelab.data.inspect import inspect_table
from gatelab.reports.analysis.comparison import compare
from gatelab.reports.terminal.comparison_table import screen as comparison_table
from gatelab.reports.terminal.result import result_table
from gatelab.reports.terminal.run_list import means_table, runs_table
from gatelab.reports.terminal.watch import Watch
from gatelab.runs.difference import Condition
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import load_runs
from gatelab.screen import Screen, styled, visible
from gatelab.tasks.sequence.prediction import Predictor

HOSTILE = [
    "[/b]", "[d]", "<b>", "[bold red]x[/]", "[link=x.org]y[/link]", "[/]", "\\[b]", "[@click=a()]z", ":warning:",
    "\x1b[2Jgone", "\x1b]0;title\x07", "a\rb", "\u202eevil", "\ud800", "\x9b31m",
]  # fmt: skip
SOURCE = Path(screen.__file__).parent


def on_screen(*parts: RenderableType) -> str:
    console = Screen(width=1000, file=io.StringIO())
    for part in parts:
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined]


@given(
    st.text(st.characters(exclude_characters="\n\t", exclude_categories=["Zs"], codec=None), min_size=1, max_size=30)
)
@example("[/b]")
@example(":warning:")
@example("\x1b[2J")
@example("\U0001f3fb")  # has no width
@example("\u0301")
def test_a_string_is_shown_as_it_is_wherever_a_console_takes_one(text: str) -> None:
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    table.add_row(styled(text, "bold"))
    out = on_screen(text, styled(text, "red"), table)
    assert out.count(visible(text)) >= 6, "line, styled, title, header, cells and caption"
    assert visible(out) == out


def test_no_other_console_is_made_and_nothing_asks_for_markup() -> None:
    for file in SOURCE.rglob("*.py"):
        code = file.read_text(encoding="utf-8")
        assert file.name == "screen.py" or not re.search(r"\bConsole\(|rich\.markup|from_markup|markup=True", code), (
            file
        )


@pytest.mark.parametrize("text", [text for text in HOSTILE if text != "\ud800"], ids=ascii)  # which no YAML holds
def test_every_table_of_runs_shows_labels_settings_errors_and_names(text: str, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "outputs")
    scores = dict.fromkeys(("accuracy", "macro_f1", "auroc", "calibration_error"), 0.5)
    metrics = {**scores, "per_class": {text: {"f1": 0.5, "support": 2}}}
    data = {"sha256": {"train": ["a"]}, "files": [text], "split_sizes": {"test": 2}}
    about: dict[str, Any] = {"metrics": metrics, "baselines": {"linear": metrics}, "data": data}
    done = folders.write(1, settings={"data.text": text}, choices={"encoder": text}, **about)
    folders.write(1, settings={"data.text": "plain"}, choices={"encoder": "lstm"}, **about)
    folders.write(
        2, status="failed", settings={"data.text": text}, choices={"encoder": text}, error=f"ValueError: {text}"
    )
    watch = Watch(folders.output_dir, None)
    watch.look()
    found = all_runs(folders.output_dir)
    comparison = compare(load_runs(found))
    renderables: list[RenderableType] = [runs_table(found), means_table(found), watch.table(), result_table(done)]
    for part in (*renderables, comparison_table(comparison, Screen(width=1000))):
        assert visible(text) in on_screen(part)
    assert f"ValueError: {visible(text)}" in on_screen(comparison_table(comparison, Screen(width=1000)))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_commands_show_what_they_are_given(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    for module in (predict, reproduce, screen):
        monkeypatch.setattr(module, "console", Screen(file=stream, width=1000))
    monkeypatch.setattr(screen, "errors", Screen(file=stream, width=1000))
    monkeypatch.setattr(predict, "finished", lambda *_: None)
    predictor = Predictor.__new__(Predictor)  # without a model
    predictor.classes = [text, "b"]
    monkeypatch.setattr(predictor, "predictions", lambda texts: np.array([[0.9, 0.1]] * len(texts)))
    monkeypatch.setattr(predictor, "answer", lambda values: text)
    monkeypatch.setattr(predict, "predictor_of", lambda *_, **__: predictor)
    predict.predict_texts("run", tmp_path, [text])
    changed = [Condition("code", text, "other")]
    reproduce.show_verdict(RunFolder(text), RunFolder("now"), [text], changed)
    screen.show_error(f"{text}: no such run")
    lines = stream.getvalue()
    assert lines.count(visible(text)) >= 6
    assert visible(lines) == lines


@pytest.mark.parametrize("text", [text for text in HOSTILE if text not in ("\ud800", "a\rb")], ids=ascii)
def test_a_table_is_looked_at_with_its_own_labels(text: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    rows = [f"the film number {number},{(text, 'good')[number % 2]}" for number in range(40)]
    file.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    assert visible(text) in on_screen(*inspect_table([str(file)], text="text", label="label"))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize(
    "command", [["runs"], ["report"], ["compare"], ["predict", "--csv=x.csv", "--out=y.csv"]], ids=str
)
def test_what_a_user_types_comes_back_as_it_was_typed(command: list[str], text: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*command, text, "--output-dir", str(tmp_path)])
    assert visible(text).replace(" ", "") in "".join(done.output.split())
    assert isinstance(done.exception, (SystemExit, type(None)))
