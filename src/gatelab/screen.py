"""What a person sees: one console for all output, one form for all errors."""

import contextlib
import math
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from gatelab.runs.secrets import redact_text

MAX_CHARACTERS = 10  # of a number
# Without a terminal there is no width to keep to: tables in files and pipes are not squeezed into 80 columns.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
errors = Console(stderr=True, highlight=False)
python_format = warnings.formatwarning


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turn what the user can mend into one paragraph and exit code 2, without a traceback."""
    import typer

    try:
        yield
    except (ValueError, OSError) as error:
        if not is_user_error(error):
            raise
        show_error(str(error))
        raise typer.Exit(2) from None


def is_user_error(error: BaseException) -> bool:
    """Errors that gatelab itself raises for what a user did, and files that cannot be read or written."""
    module = type(error).__module__
    return module.startswith("gatelab.") or isinstance(error, (FileNotFoundError, PermissionError))


def show_error(message: str) -> None:
    errors.print("[bold red]error:[/]", end=" ")
    errors.print(redact_text(message), markup=False, soft_wrap=True)


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of our own in one line, without the line of code that it came from."""
    if Path(filename).is_relative_to(Path(__file__).parent):
        return f"warning: {redact_text(str(message))}\n"
    return python_format(message, category, filename, lineno, line)


def show_above(text: str) -> None:
    """A line of markup on standard error, above a progress line that moves: errors itself would write through it."""
    with errors.capture() as captured:
        errors.print(text, soft_wrap=True)
    print(captured.get(), end="", file=sys.stderr, flush=True)


def decimal(value: float, digits: int = 4, sign: str = "") -> str:
    """In at most ten characters: 0.8123, and where that takes more 1.5e+30. sign: "+" to have one always."""
    text = f"{value:{sign}.{digits}f}"
    return text if len(text) <= MAX_CHARACTERS else f"{value:{sign}.3g}"


def clock(seconds: float) -> str:
    """3725 → 1:02:05."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
