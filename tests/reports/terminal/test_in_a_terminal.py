"""What stands on the screen of a terminal of 60, 80 and 120 columns: a pseudo-terminal, the commands as a user gives them."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len
from run_folders import Folders, gated, write_curves

COMMANDS = {
    "runs": ["runs", "my_first_sweep"],
    "mean": ["runs", "my_first_sweep", "--mean"],
    "watch": ["runs", "my_first_sweep", "--watch"],
    "compare": ["compare", "my_first_sweep"],
}
SCRIPT = """
import sys
from gatelab.cli import app
from gatelab.commands.report import show_sweep
from gatelab.runs.folder import all_runs
from gatelab.reports.terminal import watch
watch.SECONDS_TO_APPEAR = 0
for title, words in {commands}.items():
    print("$ " + title)
    app(words, standalone_mode=False)
print("$ end")
show_sweep(all_runs("outputs", "my_first_sweep"))
"""
ERASE = "\x1b[2K"
OTHER_CODES = re.compile(r"\x1b\[(?!2K)[0-9;?]*[A-Za-z]|\r")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    folders = Folders(folder / "outputs")
    for arm, hidden_size in enumerate((64, 128)):
        for seed in (1, 2, 3):
            run = folders.write(
                seed, 0.61234 + arm / 10 + seed / 1000, name="my_first_sweep", identity=f"3f9c{arm}{seed}abcd",
                settings=gated(peepholes=True, hidden_size=hidden_size) | {"trainer.max_epochs": 2, "model.dropout": 0.25 + arm / 4},
                baselines={"linear": {"accuracy": 0.5, "macro_f1": 0.4}}, seconds=123.0,
            )  # fmt: skip
            write_curves(run, {"train/loss": [0.5, 0.4], "validation/macro_f1": [0.5, 0.6]})
    return folder


def shown(sweep: Path, width: int) -> dict[str, list[str]]:
    """The lines of each command on a screen of this width, without those that a live table has drawn over."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    command = [sys.executable, "-c", SCRIPT.format(commands=COMMANDS)]
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    with subprocess.Popen(command, cwd=sweep, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        output = b""
        while chunk := read(ours):
            output += chunk
    os.close(ours)
    assert process.returncode == 0, output.decode()
    parts = re.split(r"^\$ (\w+)\n", OTHER_CODES.sub("", output.decode()), flags=re.MULTILINE)
    last = (text.rpartition(ERASE)[2].splitlines() for text in parts[2::2])
    return dict(zip(parts[1::2], last, strict=True))


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # its last process has ended
        return b""


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_cut_or_wraps_and_rows_are_told_apart(sweep: Path, width: int) -> None:
    screens = shown(sweep, width)
    assert list(screens) == [*COMMANDS, "end"]
    for lines in screens.values():
        assert max(map(cell_len, lines)) <= width
        assert "…" not in "\n".join(lines)
    for title in ("runs", "watch"):
        rows = [line.replace("│", " ").split() for line in screens[title] if "3f9c" in line]
        assert len({word for row in rows for word in row if word.startswith("3f9c")}) == 6
        assert [[size for size in ("64", "128") if size in row] for row in rows].count(["64"]) == 3
    for value in ("0.6133", "0.7153"):
        assert value in "\n".join(screens["runs"])
    for title in ("mean", "compare", "end"):
        assert "0.6143 ± 0.0010" in "\n".join(screens[title]), screens[title]
        assert "0.7143 ± 0.0010" in "\n".join(screens[title])
    assert "gatelab compare my_first_sweep" in "\n".join(screens["end"])
    assert ("123" in "\n".join(screens["runs"])) == (width == 120)
    assert "seconds" in "\n".join(screens["runs"])  # as a title, or among what is not in this width
