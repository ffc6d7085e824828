"""notes.json: what a user says about a run, a note and tags. Outside its identity, and changed at any time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatelab.bounded import MIB, read_json
from gatelab.errors import RunError
from gatelab.files import atomic_write, lock_of
from gatelab.runs.folder import RunFolder, held
from gatelab.runs.secrets import redact

MAX_BYTES = MIB
MAX_NOTE = 100_000  # characters
MAX_TAGS = 1000
SECONDS_TO_WAIT = 10.0  # for another process that changes them
TAG = r"^\w[\w.:/+-]{0,49}$"  # without spaces and commas, since they separate tags


class Notes(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    note: str = ""
    tags: list[Annotated[str, Field(pattern=TAG)]] = []

    def __bool__(self) -> bool:
        return bool(self.note or self.tags)


def read_notes(folder: RunFolder) -> Notes:
    """Empty where there are none. Raises RunError for a damaged file."""
    try:
        return Notes.model_validate(read_json(folder.notes, MAX_BYTES))
    except FileNotFoundError:
        return Notes()
    except (ValueError, OSError) as error:
        reason = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise RunError(
            f"{folder.notes}: holds no note and tags ({reason}). Delete it; gatelab note {folder.path} TEXT writes it anew."
        ) from None


@contextmanager
def notes_locked(folder: RunFolder) -> Iterator[None]:
    """Held by whoever reads the notes to write others, and by whoever removes the run. A run that trains does not hold it for long.
    Raises RunError when another process holds it for 10 s."""
    place = folder.path.resolve()
    lock = lock_of(place.with_name(f"{place.name}.notes"), SECONDS_TO_WAIT)  # beside the folder, which may go
    problem = f"{folder.path}: its notes are being changed by another process. Try again."
    with held(lock, lambda: RunError(problem)):
        yield


def write_notes(folder: RunFolder, notes: Notes) -> None:
    """Atomically, with secrets redacted; no file for empty ones."""
    if notes:
        atomic_write(folder.notes, json.dumps(redact(notes.model_dump()), indent=2, ensure_ascii=False) + "\n")
    else:
        folder.notes.unlink(missing_ok=True)


def checked(note: str, tags: list[str]) -> Notes:
    """Each tag once. Raises RunError for a tag that is none, and for more than a note or tags."""
    if len(note) > MAX_NOTE or len(tags) > MAX_TAGS:
        raise RunError(f"a note has at most {MAX_NOTE:,} characters, and a run {MAX_TAGS:,} tags. Give fewer.")
    try:
        return Notes(note=" ".join(note.split()), tags=list(dict.fromkeys(tags)))
    except ValidationError as error:
        found: Any = error.errors()[0]["input"]
        raise RunError(f"tag '{found}': has letters, digits and _ . : / + - alone, at most 50. Give another.") from None
