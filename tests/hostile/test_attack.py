"""The attempts themselves see what is broken."""

from collections.abc import Callable
from pathlib import Path

import attempts
import pytest
from attack import attempt

ENDS = [
    (attempts.work, "worked", ""),
    (attempts.refuse, "refused", ""),
    (attempts.fail, "broken", "exit code 1 instead of a sentence"),
    (attempts.exit_silently, "broken", "said nothing"),
    (attempts.run_foreign_code, "broken", "ran foreign code"),
    (attempts.print_an_escape, "broken", r"printed '\x1b'"),
    (attempts.eat_memory, "refused", ""),
    (attempts.fill_the_disk, "broken", "instead of a sentence"),
    (attempts.never_end, "broken", "exit code -24 instead of a sentence"),
    (attempts.wait_for_a_fifo, "broken", "still waits after 1 s"),
]


@pytest.mark.parametrize(("call", "kind", "problem"), ENDS, ids=lambda value: getattr(value, "__name__", None))
def test_an_attempt_says_how_it_ended(call: Callable[[], None], kind: str, problem: str, tmp_path: Path) -> None:
    found = attempt(call, folder=tmp_path, seconds=0, waiting=60 if call is attempts.never_end else 1)
    assert found.kind == kind
    assert problem in found.problem
