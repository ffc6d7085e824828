"""gatelab note: show or change the note and the tags of a run."""

from collections.abc import Sequence
from pathlib import Path

from gatelab.errors import RunError
from gatelab.runs.folder import find_run
from gatelab.runs.run_notes import checked, notes_locked, read_notes, write_notes
from gatelab.screen import console


def note_run(
    run: str, output_dir: Path, text: str | None = None, *, tags: Sequence[str] = (), untags: Sequence[str] = ()
) -> None:
    """text: the new note, "" for none; None leaves it. Raises RunError where there is no such run, or for what is no tag."""
    folder = find_run(run, output_dir)
    if text is None and not tags and not untags:
        notes = read_notes(folder)
    else:
        with notes_locked(folder):
            if not folder.record_file.exists():
                raise RunError(f"{folder.path}: was removed meanwhile.")
            notes = read_notes(folder)
            kept = [tag for tag in [*notes.tags, *tags] if tag not in untags]
            notes = checked(notes.note if text is None else text, kept)
            write_notes(folder, notes)
    console.print(f"run         {folder.path}", soft_wrap=True)
    console.print(f"note        {notes.note or 'none'}", soft_wrap=True)
    console.print(f"tags        {', '.join(notes.tags) or 'none'}", soft_wrap=True)
