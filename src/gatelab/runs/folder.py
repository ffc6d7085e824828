"""The run folder: all files of a run, each replaced atomically."""

import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gatelab.errors import Pruned, RunError, RunningElsewhere, RunStopped
from gatelab.files import NO_ROOM, NOT_ALLOWED, atomic_write, is_temporary, lock_of
from gatelab.runs.record import RunRecord, load_record, update_record
from gatelab.runs.secrets import redact_text
from gatelab.screen import visible

STATUSES = ("running", "finished", "interrupted", "pruned", "failed")
LATEST = "latest"  # in place of digits: the run that started last
RESUMABLE = ("running", "interrupted", "pruned")  # a running one whose lock is free has died
SECONDS_TO_LOOK = 0.3  # is_locked() holds the lock for a moment
WHERE_RUNS_ARE = "gatelab runs lists them; --output-dir names another root of run folders."


class RunFolder:
    """outputs/<name>/<identity>/ and the paths in it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.record_file = self.path / "run.json"
        self.notes = self.path / "notes.json"
        self.metrics = self.path / "metrics.csv"
        self.predictions = self.path / "predictions.csv"
        self.equations = self.path / "equations.json"
        self.examples = self.path / "examples.json"
        self.language = self.path / "language.json"
        self.gradients = self.path / "gradients.csv"
        self.activity = self.path / "gates.npz"
        self.shared_reading = self.path / "shared_reading.npz"
        self.report = self.path / "report.html"
        self.figures = self.path / "figures"
        self.gates = self.figures / "gates"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best.ckpt"
        self.last = self.checkpoints / "last.ckpt"
        self.previous = self.checkpoints / "previous.ckpt"
        self.model = self.path / "model"
        self.error_log = self.path / "error.log"
        self.diff = self.path / "uncommitted.diff"

    @property
    def profiles(self) -> list[Path]:
        """The tables of trainer.profiler, that of fit first."""
        return sorted(self.path.glob("*-profile*.txt"))

    @property
    def record(self) -> RunRecord:
        """run.json; empty where there is none. Raises RunError for a damaged one."""
        return load_record(self.record_file)

    @property
    def status(self) -> str:
        """One of STATUSES, empty without a run."""
        return self.status_of(self.record)

    def status_of(self, record: RunRecord) -> str:
        """The status in this folder's record; a run whose process died counts as interrupted."""
        return "interrupted" if record.status == "running" and not self.is_locked() else record.status

    def update(self, **values: Any) -> None:
        """Change entries of run.json atomically, with secrets redacted."""
        update_record(self.record_file, **values)

    def is_locked(self) -> bool:
        lock = lock_of(self.path, 0)
        if not Path(lock.lock_file).exists():  # asking creates no file
            return False
        try:
            with lock:
                return False
        except Timeout:
            return True
        except PermissionError:  # another user's run, of which the record alone can tell
            return True
        except OSError:  # a folder or FIFO in its place: no run holds it
            return False

    @contextmanager
    def locked(self, wait: float = 0) -> Iterator[None]:
        """Hold the run's lock, which the operating system releases when the process dies. Raises RunningElsewhere when
        another process still holds it after wait seconds."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_of(self.path, max(wait, SECONDS_TO_LOOK))
        with held(lock, self._running_elsewhere):
            yield

    def _running_elsewhere(self) -> RunningElsewhere:
        record = self.record
        return RunningElsewhere(
            f"run {self.path.name} is running elsewhere (process {record.process}, since {record.started}). Wait for it, or stop "
            "it; another seed or setting is another run and can start now."
        )

    @contextmanager
    def recorded(self, resumed: bool = False, **values: Any) -> Iterator[None]:
        """Empty the folder unless the run is resumed; record that it is running, and at the end its final status."""
        began = time.monotonic()  # which no clock that is set back takes back
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        before = self.record if resumed else RunRecord()
        if resumed:
            self._refuse_links()
            beside = [file for folder in (self.path, self.checkpoints, self.model) for file in folder.glob(".*")]
            for leftover in {*beside, *filter(is_temporary, self.path.rglob(".*"))}:  # of a killed process
                leftover.unlink()
            values |= {"started": before.started or now, "resumed": [*before.resumed, now]}
        elif self.path.exists():
            shutil.rmtree(self.path)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.update(**{"status": "running", "started": now, "process": os.getpid(), **values})
        status, extra = "failed", {}
        try:
            yield
            status = "finished"
        except Pruned:
            status = "pruned"
        except (KeyboardInterrupt, SystemExit, RunStopped) as stopped:
            status = "interrupted"
            stopped.run_folder = self.path  # type: ignore[union-attr]
            raise
        except BaseException as error:
            if isinstance(error, OSError) and self._cannot_be_written(error):
                status = "interrupted"
                raise not_written(error, "The last checkpoint is kept") from error
            atomic_write(self.error_log, visible(redact_text(traceback.format_exc())))
            extra = {"error": f"{type(error).__name__}: {error}"}
            error.run_log = self.error_log  # type: ignore[attr-defined]
            raise
        finally:
            seconds = (before.seconds or 0) + time.monotonic() - began
            # On a full disk, and in a folder that takes nothing, run.json is left unchanged.
            with suppress(OSError) if status == "interrupted" else nullcontext():
                self.update(status=status, seconds=round(seconds, 2), **extra)

    def _refuse_links(self) -> None:
        """A resumed run writes what it finds here: metrics.csv is appended to, model/config.json replaced."""
        for file in (*self.path.glob("*"), *self.checkpoints.glob("*"), *self.figures.glob("*")):
            if file.is_symlink():
                raise RunError(
                    f"{file}: is a link, and a run writes nothing outside its folder. Remove it, or start anew with force=true."
                )

    def _cannot_be_written(self, error: OSError) -> bool:
        is_here = error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(self.path)
        return error.errno in NO_ROOM or (error.errno in NOT_ALLOWED and is_here)


def own(place: Path) -> Path:
    """A folder in that of a run or a name. Raises RunError for a link, which somebody else may have made to any place."""
    if place.is_symlink():
        raise RunError(f"{place}: is a link, and nothing is written outside the run folder. Remove it.")
    return place


@contextmanager
def held(lock: FileLock, busy: Callable[[], RunError]) -> Iterator[None]:
    """Hold a lock. Raises the error that busy makes where another process still has it when the wait is over, RunError where none can be."""
    try:
        lock.acquire()
    except Timeout:
        raise busy() from None
    except OSError as error:
        raise RunError(
            f"{lock.lock_file}: cannot be held as a lock ({error.strerror}). Remove it, if no run is at work here."
        ) from None
    try:
        yield
    finally:
        lock.release()


def not_written(error: OSError, kept: str) -> RunStopped:
    """The error of a run that meets a full disk, or a folder that it may not write to."""
    place = f"{error.filename}: " if error.filename else ""
    needed = "make room" if error.errno in NO_ROOM else "allow writing there"
    return RunStopped(
        f"{place}cannot be written: {error.strerror or error}. {kept}; {needed} and start the same command again."
    )


def all_runs(output_dir: str | Path, name: str | None = None) -> list[RunFolder]:
    """All runs below output_dir, or those of one name, which may be the path of its folder."""
    files = Path(output_dir).glob("*/*/run.json") if name is None else (Path(output_dir) / name).glob("*/run.json")
    return [RunFolder(file.parent) for file in sorted(files)]


def runs_of_name(name: str, output_dir: str | Path) -> list[RunFolder]:
    """name may also be a folder such as outputs/try; none for an empty one, as of a shell's variable that is not set."""
    return all_runs(output_dir, name) or all_runs(Path(), name) if name else []


def runs_like(run: str, output_dir: str | Path) -> list[RunFolder]:
    """Those whose identity begins so, of one name for NAME/DIGITS; for latest or NAME/latest the one that started last."""
    name, _, digits = run.rpartition("/")
    folders = runs_of_name(name, output_dir) if name else all_runs(output_dir)
    if digits == LATEST:
        return [max(folders, key=last_start)] if folders else []
    return [folder for folder in folders if digits and folder.path.name.startswith(digits)]


def last_start(folder: RunFolder) -> tuple[str, int]:
    """Sorts runs by when they last started, those with a damaged record first."""
    with suppress(RunError):
        return folder.record.last_start, folder.record_file.stat().st_mtime_ns
    return "", 0


def find_run(run: str, output_dir: str | Path) -> RunFolder:
    """A run by its folder or as runs_like takes it. Raises RunError when there is none, or several."""
    if run and (Path(run) / "run.json").is_file():
        return RunFolder(run)
    matches = runs_like(run, output_dir)
    if len(matches) > 1:
        raise RunError(f"{run}: {len(matches)} runs begin so ({places(matches)}). {distinguish(matches)}")
    if not matches:
        raise RunError(f"{run}: no such run in {output_dir}. {WHERE_RUNS_ARE}")
    return matches[0]


def places(folders: list[RunFolder]) -> str:
    return ", ".join(str(folder.path) for folder in folders[:5])


def distinguish(folders: list[RunFolder]) -> str:
    """What to type instead of digits that several runs begin with."""
    first = folders[0].path
    if len({folder.path.name for folder in folders}) == 1:  # one identity under several names
        return f"Put the name before it, such as {first.parent.name}/{first.name[:4]}."
    return "Give more digits, or the folder."
