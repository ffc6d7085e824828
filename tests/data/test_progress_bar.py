import io
import re
from pathlib import Path

import pytest

from gatelab.data import progress_bar as module
from gatelab.data import rows
from gatelab.data.prepare import Settings, Source, prepare
from gatelab.screen import Screen


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_takes_long_shows_rows_a_second_and_the_time_left_on_a_terminal_alone(
    is_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, now = io.StringIO(), iter(range(10**6))  # a second between any two looks at the clock
    monkeypatch.setattr(module, "errors", Screen(file=stream, force_terminal=is_terminal, width=100))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(module, "ITEMS", 1)
    monkeypatch.setattr(rows, "CHUNK", 100)
    files = [tmp_path / f"{part}.csv" for part in ("train", "test")]
    for file in files:
        file.write_text("text,label\n" + "".join(f"film number {row},{row % 2}\n" for row in range(1000)))
    prepare(Source([files[0]], test=[files[1]]), Settings(), tmp_path / "cache")
    shown = stream.getvalue()
    assert bool(shown) == is_terminal
    for title in ("reading", "splitting", "counting words", "encoding") if is_terminal else ():
        assert re.search(rf"{title} .*\d rows/s  \d+:\d\d left", shown), title


def test_the_time_left_counts_the_bytes_of_all_files(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    files[0].write_bytes(bytes(100))
    files[1].write_bytes(bytes(300))
    with module.reading_bar(files):
        read = module.FilesRead.current
        assert read is not None
        for file, taken, fraction in ((files[0], 50, 50 / 400), (files[1], 200, 300 / 400)):
            with open(file, "rb") as stream:
                module.follow(file, stream)
                stream.read(taken)
                assert read.fraction() == fraction
        assert read.fraction() == 1.0
