"""gatelab rm: delete run folders, or move them to the archive. Never outside the output folder, never of a run that is running."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import typer
from filelock import Timeout

from gatelab.errors import RunError
from gatelab.files import lock_of
from gatelab.reports.numbers import size
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import find_run_or_sweep
from gatelab.runs.run_notes import notes_locked
from gatelab.screen import console, counted, visible

ARCHIVE = ".archive"  # below the output folder, with its layout; no name of runs begins so


def remove(what: Sequence[str], output_dir: Path, *, archive: bool, yes: bool) -> None:
    """Ask, unless yes, then delete or archive the runs. what: runs or names, as gatelab report takes them.

    Raises RunError, before anything is asked or removed, where one is missing, running, or not in output_dir.
    """
    found = [place_in(folder, output_dir) for one in what for folder in runs_of(one, output_dir)]
    folders = [RunFolder(place) for place in dict.fromkeys(found)]
    with ExitStack() as locks:
        for folder in folders:
            if archive and (place := archived(folder, output_dir)).exists():
                raise RunError(f"{place}: is there already. Delete one of the two.")
            locks.enter_context(folder.locked())  # or it is running
        for folder in folders:
            console.print(f"{folder.path}  {folder.status}  {size(num_bytes(folder.path))}", soft_wrap=True)
        question = f"{'Move' if archive else 'Delete'} {counted(len(folders), 'run')}"
        question += f" to {output_dir / ARCHIVE}" if archive else " for good"
        if not yes and not agreed(question):
            console.print("Nothing is removed.")
            return
        for folder in folders:
            locks.enter_context(notes_locked(folder))
            if archive:
                place = archived(folder, output_dir)
                place.parent.mkdir(parents=True, exist_ok=True)
                folder.path.rename(place)
            else:
                folder.record_file.unlink()  # first, so that what an interruption leaves is no run
                shutil.rmtree(folder.path)  # which removes links, not what they lead to
    for parent in dict.fromkeys(folder.path.parent for folder in folders):
        remove_pages(parent)
    console.print(f"{'Archived' if archive else 'Deleted'} {counted(len(folders), 'run')}.")


def runs_of(what: str, output_dir: Path) -> list[RunFolder]:
    found = find_run_or_sweep(what, output_dir)
    return [found] if isinstance(found, RunFolder) else found


def place_in(folder: RunFolder, output_dir: Path) -> Path:
    """Where the run is. Raises RunError unless that is NAME/IDENTITY in the output folder, also where a link makes it seem so."""
    place, root = folder.path.resolve(), output_dir.resolve()
    seeming = folder.path.parent.resolve() / folder.path.name if folder.path.name else place
    if place != seeming or place.parents[1] != root:
        raise RunError(
            f"{folder.path}: is at {place}, outside of {output_dir}, and nothing is removed there. --output-dir names another root."
        )
    return output_dir / place.relative_to(root)


def archived(folder: RunFolder, output_dir: Path) -> Path:
    return output_dir / ARCHIVE / folder.path.parent.name / folder.path.name


def agreed(question: str) -> bool:
    """Raises RunError where nobody can answer."""
    if not sys.stdin.isatty():
        raise RunError(f"{question}? Nobody can answer here: give --yes.")
    return typer.confirm(visible(f"{question}?"))


def remove_pages(parent: Path) -> None:
    """Remove what a name without runs has besides: its page, figures and locks that nobody holds. A folder with anything else stays."""
    if all_runs(parent.parent, parent.name):
        return
    (parent / "report.html").unlink(missing_ok=True)
    if (figures := parent / "figures").is_dir() and not figures.is_symlink():
        shutil.rmtree(figures)
    for lock in parent.glob(".*.lock"):
        with suppress(Timeout), lock_of(parent / lock.stem[1:], 0):  # of a run that has just been started it is held
            lock.unlink()
    if not any(parent.iterdir()):
        parent.rmdir()


def num_bytes(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_symlink() or not file.is_dir())
