"""gatelab rm: what it removes, and what it leaves."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from gatelab.commands.remove import ARCHIVE, remove
from gatelab.errors import RunError, RunningElsewhere
from gatelab.runs.folder import RunFolder, all_runs


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for run in ("sweep/aaaa111111", "sweep/bbbb222222", "other/cccc333333"):
        folder = RunFolder(tmp_path / "outputs" / run)
        folder.checkpoints.mkdir(parents=True)
        folder.record_file.write_text('{"status": "finished"}')
    return tmp_path / "outputs"


def names(outputs: Path) -> list[str]:
    return [folder.path.name for folder in all_runs(outputs)]


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    terminal: Any = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)


def test_it_asks_first_and_removes_only_what_is_agreed_to(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match=r"Delete 1 run for good\? Nobody can answer here: give --yes"):
        remove(["aaaa"], outputs, archive=False, yes=False)
    answering(monkeypatch, "n\n")
    remove(["aaaa"], outputs, archive=False, yes=False)
    assert len(names(outputs)) == 3
    answering(monkeypatch, "y\n")
    remove(["aaaa"], outputs, archive=False, yes=False)
    assert names(outputs) == ["cccc333333", "bbbb222222"]


@pytest.mark.parametrize("nothing", ["", "/"])
def test_a_variable_of_the_shell_that_is_not_set_removes_nothing(
    nothing: str, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (outputs.parent, outputs / "sweep", outputs / "sweep" / "aaaa111111" / "checkpoints"):
        monkeypatch.chdir(place)
        with pytest.raises(RunError):
            remove([nothing], outputs, archive=False, yes=True)
    assert len(names(outputs)) == 3


def test_a_name_goes_with_its_page_and_pictures_and_stays_with_anything_else(outputs: Path) -> None:
    (outputs / "sweep" / "figures").mkdir()
    (outputs / "sweep" / "report.html").touch()
    (outputs / "other" / "mine.txt").touch()
    remove(["sweep", "cccc"], outputs, archive=False, yes=True)
    assert [file.name for file in outputs.rglob("*")] == ["other", "mine.txt"]


def test_archived_runs_are_out_of_all_lists_and_complete(outputs: Path) -> None:
    remove(["sweep"], outputs, archive=True, yes=True)
    assert names(outputs) == ["cccc333333"]
    assert names(outputs / ARCHIVE) == ["aaaa111111", "bbbb222222"]
    (outputs / ARCHIVE / "other" / "cccc333333").mkdir(parents=True)
    with pytest.raises(RunError, match="is there already"):
        remove(["cccc"], outputs, archive=True, yes=True)


def test_a_running_run_stays_and_so_do_the_others_of_the_command(outputs: Path) -> None:
    with RunFolder(outputs / "sweep" / "bbbb222222").locked(), pytest.raises(RunningElsewhere):
        remove(["aaaa", "bbbb"], outputs, archive=False, yes=True)
    assert len(names(outputs)) == 3


def test_a_run_that_is_just_being_started_keeps_its_lock(outputs: Path) -> None:
    with RunFolder(outputs / "sweep" / "dddd444444").locked():  # which has no files yet
        remove(["aaaa", "bbbb"], outputs, archive=False, yes=True)
        assert [file.name for file in (outputs / "sweep").iterdir()] == [".dddd444444.lock"]


def test_no_link_leads_it_out_of_the_output_folder(outputs: Path) -> None:
    elsewhere = outputs.parent / "elsewhere"
    (outputs / "other").rename(elsewhere)
    (outputs / "linked").symlink_to(elsewhere)
    (outputs / "sweep" / "dddd444444").symlink_to(elsewhere / "cccc333333")
    for run in ("linked/cccc333333", "sweep/dddd444444", str(elsewhere / "cccc333333")):
        with pytest.raises(RunError, match=r"outside of .*outputs, and nothing is removed there"):
            remove([run], outputs, archive=False, yes=True)
    (outputs / "sweep" / "aaaa111111" / "figures").symlink_to(elsewhere)
    remove(["aaaa"], outputs, archive=False, yes=True)
    assert (elsewhere / "cccc333333" / "run.json").exists()
    assert "aaaa111111" not in names(outputs)
