"""How a case of tests/hostile is tried: in a process of its own, with limits on processor time, waiting, memory and file size.

The tables of cases stand in the test modules, a line each, by subject. What a case calls is a function of an importable module
here (``gatelab`` below is the command), since it runs in another process.
"""

import os
import re
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import forking

SECONDS = 5  # of the processor
WAITING = 60  # seconds for a file that is never written to, a lock, a server
MEMORY = 2**30  # bytes beyond what the imports take
CANARY = "canary"  # a case's foreign code makes this file in its folder: f"touch {folder / CANARY}"
WORKS = ""  # for what an attempt says, where it is to work

# Nothing that a terminal would obey, and nothing that turns or hides text: line feeds and tabs are all that may come through.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Attempt:
    """How a case ended. kind: refused, worked or broken. text: what it printed on both streams."""

    kind: str
    text: str
    problem: str = ""


def gatelab(*arguments: str) -> None:
    """The command, as the console script runs it."""
    from gatelab.cli import main

    sys.argv = ["gatelab", *arguments]
    main()


def attempt(
    call: Callable[..., Any],
    *arguments: Any,
    folder: Path,
    seconds: float = SECONDS,
    memory: int = MEMORY,
    waiting: float = WAITING,
) -> Attempt:
    """Call a function in a new process that works in folder. It has worked if it returns or ends with code 0, and is refused if it
    raises a UserError, or ends with code 1 or 2 after a sentence. All else is broken, and so is what runs foreign code or prints
    what a terminal obeys."""
    with tempfile.NamedTemporaryFile() as output:
        process = forking().Process(target=confined, args=(call, arguments, str(folder), output.name, seconds, memory))
        process.start()
        process.join(waiting)
        waits = process.is_alive()
        if waits:
            process.kill()
            process.join()
        output.seek(0)
        text = output.read().decode(errors="replace")
    problem = ""
    if waits:
        problem = f"still waits after {waiting} s"
    elif (folder / CANARY).exists():
        problem = "ran foreign code"
    elif found := OBEYED.search(text):
        problem = f"printed {found[0]!r}"
    elif "Traceback (most recent call last)" in text or process.exitcode not in (0, 1, 2):
        problem = f"ended with exit code {process.exitcode} instead of a sentence"
    elif process.exitcode and not text.strip():
        problem = "said nothing"
    return Attempt("broken" if problem else "refused" if process.exitcode else "worked", text, problem)


def confined(
    call: Callable[..., Any], arguments: tuple[Any, ...], folder: str, output: str, seconds: float, memory: int
) -> None:
    from gatelab.screen import user_errors

    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), stream)
    sys.stdout, sys.stderr = (open(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))  # noqa: SIM115
    os.chdir(folder)
    os.environ |= {"HOME": folder, "WANDB_MODE": "offline"}
    limit(resource.RLIMIT_CPU, int(used_seconds() + seconds + 1))
    limit(resource.RLIMIT_DATA, used_memory() + memory)
    limit(resource.RLIMIT_FSIZE, memory)
    try:
        with user_errors():
            call(*arguments)
    except Exception as error:  # typer's Exit has a code; of all others the caller wants to see where they come from
        if not hasattr(error, "exit_code"):
            raise
        sys.exit(error.exit_code)


def limit(what: int, value: int) -> None:
    resource.setrlimit(what, (value, resource.getrlimit(what)[1]))


def used_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def used_memory() -> int:
    """Bytes of private memory, as RLIMIT_DATA counts them."""
    found = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def train_from_python(*overrides: str) -> None:
    import gatelab

    gatelab.train(*overrides)


def describe_checkout() -> None:
    """Print what a record would say of the checkout that is the working folder."""
    from gatelab.runs.provenance import git_state, uncommitted_diff
    from gatelab.runs.record import RunRecord

    state = git_state(Path.cwd())
    if state is None:
        print("no answer")
        return
    print("top", state["top"], "dirty", state["dirty"])
    print(uncommitted_diff(RunRecord.model_validate({"project_git": state}), Path("outputs")))


def show_a_bar(title: str) -> None:
    """A bar of a title, and a warning of another library."""
    import warnings

    from gatelab.data.progress_bar import ProgressBar
    from gatelab.screen import format_warning

    bar = ProgressBar(title)
    bar._begin()
    bar.stop()
    warnings.formatwarning = format_warning
    warnings.warn(title, stacklevel=1)


def redact_all(texts: list[str]) -> None:
    from gatelab.runs.secrets import redact_text

    print("\n----\n".join(map(redact_text, texts)))
