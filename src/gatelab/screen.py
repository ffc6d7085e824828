"""The console: one for all output, and one form for all errors."""

import contextlib
import errno
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gatelab.errors import UserError
from gatelab.runs.secrets import redact_text

MAX_CHARACTERS = 10  # of a number
MAX_PLACE = 120  # characters of a path in an error
NO_MEMORY = "error return without exception set"  # what the interpreter says where it has no memory for a MemoryError

# What turns, hides or moves text without being seen: controls, bidirectional marks, zero-width space, tags; halves of a pair.
# Joiners stay, since emoji and several scripts are written with them.
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def visible(text: object) -> str:
    """Plain text with every control character written out, as ⟨U+202E⟩, and a text without width, such as a lone accent."""
    shown = without_controls(str(text).replace("\r\n", "\n"))
    return "".join(map(named, shown)) if shown.strip() and not cell_len(shown) else shown


def without_controls(text: str) -> str:
    """The same of a part of a text, in which an accent may belong to what stands before it."""
    return CONTROLS.sub(lambda found: named(found[0]), text)


def named(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


class Screen(Console):
    """Shows every string as plain text, in tables too: labels, names and errors may hold markup or escape codes. Style
    is given as such: ``style=``, or a Text made by ``styled``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


def styled(text: object, style: str) -> Text:
    return Text(visible(text), style)


# Without a terminal there is no width to keep to: tables in files and pipes are not squeezed into 80 columns.
console = Screen(width=None if sys.stdout is not None and sys.stdout.isatty() else 140)
errors = Screen(stderr=True)
python_format = warnings.formatwarning


class TolerantStream:
    """A text stream that shows what its encoding lacks as ?, and goes on into nothing once its reader is gone: what is printed
    ends no training. has_reader: False once it is gone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.has_reader = True
        stream.reconfigure(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._without_reader():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._without_reader():
            self._stream.flush()

    @contextlib.contextmanager
    def _without_reader(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.has_reader = False
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def tolerate_streams() -> None:
    """Make standard output and error tolerant, also where they are closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by >&-
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- until the process ends
        setattr(sys, name, TolerantStream(stream))


@contextlib.contextmanager
def user_errors(reword: Callable[[str], str] = str) -> Iterator[None]:
    """Show what the user can fix as one paragraph, without a traceback, with exit code 2."""
    import typer

    try:
        yield
    except (ValueError, OSError, MemoryError, SystemError) as error:
        if not is_user_error(error):
            raise
        show_error(reword(sentence_of(error)))
        raise typer.Exit(2) from None


def is_user_error(error: BaseException) -> bool:
    """Whether the user can fix it: a UserError, a file that cannot be read or written, or memory that does not suffice."""
    of_a_file = isinstance(error, OSError) and error.filename is not None
    is_known = isinstance(error, (UserError, FileNotFoundError, PermissionError))
    return is_known or of_a_file or is_out_of_memory(error)


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, SystemError) and NO_MEMORY in str(error))


def sentence_of(error: BaseException) -> str:
    """The error's message; of a place that cannot be used the place, the reason and what to do."""
    if is_out_of_memory(error):
        first = str(error).split("\n")[0].replace(NO_MEMORY, "")  # OmegaConf adds lines of its own
        return f"out of memory{f' ({first})' if first else ''}. Free some, or raise the limit that ulimit -v shows."
    if not isinstance(error, OSError) or error.filename is None or error.strerror is None:
        return str(error)
    place = str(error.filename)
    if len(place) > MAX_PLACE:
        place = f"{place[:MAX_PLACE]}…"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{place}: a folder is needed there, and a file is in its way. Name another place, or move the file."
    if error.errno == errno.ENAMETOOLONG:
        return f"{place}: is a longer name than the file system takes. Give a shorter one."
    return f"{place}: {error.strerror}."


def show_error(message: str) -> None:
    errors.print(styled("error:", "bold red"), redact_text(message), soft_wrap=True)


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of gatelab in one line, without the line of code that raised it."""
    if Path(filename).is_relative_to(Path(__file__).parent):
        return f"warning: {visible(redact_text(str(message)))}\n"
    return visible(python_format(message, category, filename, lineno, line))


def show_above(*parts: str | Text) -> None:
    """A line on standard error above a live progress line, which errors would overwrite."""
    with errors.capture() as captured:
        errors.print(*parts, soft_wrap=True)
    print(captured.get(), end="", file=sys.stderr, flush=True)


def decimal(value: float, digits: int = 4, sign: str = "") -> str:
    """In at most ten characters: 0.8123, and where that takes more 1.5e+30. sign: "+" to have one always."""
    text = f"{value:{sign}.{digits}f}"
    return text if len(text) <= MAX_CHARACTERS else f"{value:{sign}.3g}"


def counted(value: int, noun: str) -> str:
    """1 epoch · 2 epochs"""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def clock(seconds: float) -> str:
    """3725 → 1:02:05."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
