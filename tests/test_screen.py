import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gatelab.screen import decimal, sentence_of, user_errors


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4825, "0.4825"), (-12.0, "-12.0000"), (1.5e30, "1.5e+30"), (99999.0, "99999.0000"), (-99999.0, "-1e+05"), (math.nan, "nan")],
)  # fmt: skip
def test_a_number_is_written_with_four_digits_or_short(value: float, text: str) -> None:
    assert decimal(value) == text


@pytest.mark.parametrize("value", [10.0**power * sign * 1.234567 for power in range(-300, 300, 7) for sign in (1, -1)])
def test_no_number_takes_more_than_ten_characters(value: float) -> None:
    assert max(len(decimal(value)), len(decimal(value, 3)), len(decimal(value, sign="+"))) <= 10


PRINTS = """
import sys
from gatelab.screen import console, errors, tolerate_streams
tolerate_streams()
for number in range(5000):
    console.print("a run of Zoë \\N{HIGH VOLTAGE SIGN}", number)
errors.print("it came to its end")
"""


def test_a_reader_that_goes_away_ends_no_training() -> None:
    command = [sys.executable, "-c", PRINTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"it came to its end\n"
    assert process.returncode == 0


@pytest.mark.parametrize("closing", [">&-", ">&- 2>&-"])
def test_streams_that_are_closed_from_the_start_take_what_is_printed(closing: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {closing}', sys.executable, PRINTS], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "" if "2" in closing else "it came to its end\n")


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", b"a run of Zo? ? 0"), ("cp1252", b"a run of Zo\xeb ? 0")])
def test_what_a_terminals_encoding_lacks_is_a_question_mark(encoding: str, shown: bytes) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", PRINTS], env=environment, capture_output=True, check=True)
    assert done.stdout.splitlines()[0] == shown


def test_a_place_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, sentence in (
        (tmp_path / "file", "file: a folder is needed there, and a file is in its way"),
        (tmp_path / "file" / "x", "file/x: a folder is needed there, and a file is in its way"),
        (Path("x" * 300), "xxx…: is a longer name than the file system takes"),
    ):
        with pytest.raises(OSError, match="Errno") as caught:
            place.mkdir()
        assert sentence in sentence_of(caught.value)


@pytest.mark.parametrize("error", [MemoryError(), SystemError("error return without exception set")])
def test_what_the_interpreter_raises_without_memory_is_one_sentence(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, user_errors():
        raise error
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "error: out of memory. Free some, or raise the limit that ulimit -v shows.\n"


def test_another_error_of_the_interpreter_is_no_lack_of_memory() -> None:
    with pytest.raises(SystemError), user_errors():
        raise SystemError("bad argument to internal function")
