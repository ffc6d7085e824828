"""A note and tags: given to a run, changed later, and never a part of what it is."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import gatelab, the_run
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.commands import note
from gatelab.commands.remove import remove
from gatelab.errors import RunError
from gatelab.runs.config import read_config
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import load_run
from gatelab.runs.run_notes import Notes, checked, notes_locked, read_notes, write_notes

TINY = ["trainer=cpu", "trainer.max_epochs=1", "encoder.hidden_size=4", "data.num_rows=300", "tracker=none", "baseline=none", "report=false"]  # fmt: skip


def test_a_run_keeps_what_was_last_said_of_it_and_is_the_same_run(tmp_path: Path, cache_dir: Path) -> None:
    command = ["train", *TINY, f"data.cache_dir={cache_dir}"]
    gatelab(*command, "+note=is it 0.9 or more?", "tags=[paper,first]", cwd=tmp_path)
    folder = RunFolder(the_run(tmp_path))
    assert read_notes(folder) == Notes(note="is it 0.9 or more?", tags=["paper", "first"])
    assert not {"note", "tags"} & read_config(folder).keys()
    changed = CliRunner().invoke(app, ["note", str(folder.path), "it is not", "--tag", "done,odd", "--untag", "first"])
    assert "paper, done, odd" in changed.output
    again = gatelab(*command, "note=something else", cwd=tmp_path)  # the same run, whatever is said of it
    assert "already finished" in again
    assert read_notes(folder) == Notes(note="it is not", tags=["paper", "done", "odd"])
    assert CliRunner().invoke(app, ["show", str(folder.path)]).output.count("it is not") == 1


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "sweep" / "0123456789")
    folder.path.mkdir(parents=True)
    folder.record_file.write_text('{"status": "finished"}')
    return folder


def test_what_is_said_of_a_run_at_once_is_kept_all_of_it(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(folder: RunFolder) -> Notes:
        found = read_notes(folder)
        time.sleep(0.05)  # in which the other one reads them, too
        return found

    monkeypatch.setattr(note, "read_notes", slow)
    outputs = folder.path.parents[1]
    with ThreadPoolExecutor() as threads:
        tags = threads.map(lambda tag: note.note_run("0123", outputs, tags=[tag]), ["good", "odd"])
        text = threads.submit(note.note_run, "0123", outputs, "as before")
    assert [*tags, text.result()] == [None] * 3
    found = read_notes(folder)
    assert (found.note, sorted(found.tags)) == ("as before", ["good", "odd"])


def test_a_run_is_removed_before_or_after_it_is_noted_never_meanwhile(folder: RunFolder) -> None:
    outputs = folder.path.parents[1]
    with ThreadPoolExecutor() as threads:
        with notes_locked(folder):
            removing = threads.submit(remove, ["0123"], outputs, archive=False, yes=True)
            time.sleep(0.1)
            assert folder.record_file.exists()
        removing.result()
        assert not folder.path.exists()
        folder.path.mkdir(parents=True)
        folder.record_file.touch()
        with notes_locked(folder):
            noting = threads.submit(note.note_run, "0123", outputs, "a note")
            time.sleep(0.1)  # it has found the run
            shutil.rmtree(folder.path)
        with pytest.raises(RunError, match="0123456789: was removed meanwhile"):
            noting.result()
    assert not folder.path.exists()


def test_what_is_no_tag_and_a_damaged_file_are_named(folder: RunFolder) -> None:
    with pytest.raises(RunError, match="tag 'two words': has letters"):
        checked("", ["one", "two words"])
    for many in (("x" * 100_001, []), ("", [f"t{number}" for number in range(1001)])):
        with pytest.raises(RunError, match="at most 100,000 characters, and a run 1,000 tags"):
            checked(*many)
    write_notes(folder, Notes(note="key sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD"))
    assert "sk-abc" not in folder.notes.read_text()
    for content in ('{"note": 5}', "[", "\udcff"):
        folder.notes.write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(RunError, match=r"notes\.json: holds no note and tags"):
            read_notes(folder)
        assert "notes.json" in load_run(folder).notes.note  # it hides no run
    write_notes(folder, Notes())
    assert not folder.notes.exists()
