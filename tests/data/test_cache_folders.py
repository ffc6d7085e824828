import errno
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatelab.commands.data_cache import clear_cache, show_cache
from gatelab.data.cache_contents import checksum
from gatelab.data.cache_folders import GIB, RECORD, Cache
from gatelab.errors import DataError

SIZE = 1000


def fill(folder: Path) -> None:
    (folder / "content").write_bytes(b"x" * SIZE)
    (folder / RECORD).write_text("{}")


def get(cache: Cache, key: str, age: float | None = None) -> tuple[Path, Any]:
    """A folder of the cache and the lock that keeps it; last used so many seconds ago."""
    folder, lock = cache.get("rows", key, fill, made_from=[f"{key}.csv"])
    if age is not None:
        os.utime(folder / RECORD, (1e9 - age, 1e9 - age))
    return folder, lock


def killed(tmp_path: Path, code: str) -> subprocess.CompletedProcess[bytes]:
    """A process that runs the code with the cache, and is killed in it."""
    program = f"import os, signal\nfrom pathlib import Path\nfrom gatelab.data.cache_folders import Cache\ncache = Cache(Path({str(tmp_path)!r}))\n{code}"
    return subprocess.run([sys.executable, "-c", program], check=False)


def test_the_folder_used_longest_ago_goes_first_and_one_in_use_never(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_gib=3.5 * SIZE / GIB)
    held, lock = get(cache, "in use", age=300)
    oldest, _ = get(cache, "oldest", age=200)
    older, _ = get(cache, "older", age=100)
    newest, _ = get(cache, "newest")
    assert [folder.exists() for folder in (held, oldest, older, newest)] == [True, False, True, True]
    lock.release()
    get(cache, "one more")
    assert [folder.exists() for folder in (held, older, newest)] == [False, True, True]


def test_using_a_folder_again_makes_it_the_newest(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first, _ = get(cache, "first", age=200)
    get(cache, "second", age=100)
    assert cache.folders()[0].path == first
    get(cache, "first")
    assert [cached.made_from for cached in cache.folders()] == [["second.csv"], ["first.csv"]]


def test_a_process_killed_while_it_fills_a_folder_leaves_nothing_that_is_used(tmp_path: Path) -> None:
    code = "cache.get('rows', 'key', lambda folder: [(folder / 'record.json').touch(), os.kill(os.getpid(), 9)], [])"
    assert killed(tmp_path, code).returncode == -9
    assert list((tmp_path / "rows").iterdir()), "it was killed in the middle"
    cache = Cache(tmp_path)
    assert cache.folders() == []
    get(cache, "another key")
    assert len(list((tmp_path / "rows").iterdir())) == 1, "the next one sweeps up"
    folder, _ = get(cache, "key")
    assert (folder / "content").stat().st_size == SIZE


def test_a_killed_process_holds_no_folder(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    folder, lock = get(cache, "key")
    lock.release()
    assert killed(tmp_path, "used = cache.get('rows', 'key', None, [])\nos.kill(os.getpid(), 9)").returncode == -9
    assert [cached.path for cached in cache.shrink(0)] == [folder]


def test_processes_that_want_one_folder_fill_it_once(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from gatelab.data.cache_folders import Cache
def fill(folder):
    with open({str(tmp_path / "filled")!r}, "a") as stream:
        stream.write("x")
    time.sleep(0.3)
    (folder / "record.json").touch()
Cache(Path({str(tmp_path)!r})).get("rows", "key", fill, [])
"""
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert (tmp_path / "filled").read_text() == "x"


def test_the_command_shows_and_clears_what_no_process_uses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = Cache(tmp_path)
    _, lock = get(cache, "tweets")
    free = get(cache, "reviews")[0]
    show_cache(tmp_path)
    shown = capsys.readouterr().out
    assert "tweets.csv" in shown
    assert "rows 2 folders of 0.0 MiB · prepared 0 folders" in shown
    clear_cache(tmp_path)
    assert "removed 1 folder of 0.0 MiB; 1 folder" in capsys.readouterr().out
    assert not free.exists()
    lock.release()
    clear_cache(tmp_path)
    assert cache.folders() == []


def cut(file: Path) -> None:
    os.truncate(file, SIZE - 1)


def turn_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[SIZE // 2] ^= 1
    file.write_bytes(content)


def put_in_a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def fill_with_nonsense(file: Path) -> None:
    file.write_text("{" * SIZE)


DAMAGES = [("content", cut), ("content", turn_a_bit), ("content", Path.unlink), ("content", put_in_a_fifo),
           ("contents.json", fill_with_nonsense), ("contents.json", put_in_a_fifo)]  # fmt: skip


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_a_damaged_folder_is_made_again(name: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    folder, lock = get(cache, "key")
    lock.release()
    damage(folder / name)
    with pytest.warns(UserWarning, match=f"{name} was damaged; the data is prepared again"):
        again, lock = get(cache, "key")
    assert (again, (again / "content").read_bytes()) == (folder, b"x" * SIZE)
    lock.release()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get(cache, "key")


def test_a_damaged_folder_in_use_is_named(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    folder, lock = get(cache, "key")
    cut(folder / "content")
    with pytest.raises(DataError, match=r"content: is damaged, and the folder is in use"):
        get(cache, "key")
    assert lock.is_locked


@pytest.mark.parametrize("size", [0, 1, 2**16, 2**22, 2**22 + 1, 10**7])
def test_damage_at_either_end_is_seen_and_the_whole_of_a_small_file(size: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(size))
    found = checksum(file)
    places = {0, size - 1, *(range(0, size, 2**15) if size <= 2**22 else ())} if size else set()
    with open(file, "r+b") as stream:
        for place in places:
            stream.seek(place)
            stream.write(b"\1")
            stream.flush()
            assert checksum(file) != found, place
            stream.seek(place)
            stream.write(b"\0")


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    def fill_up(folder: Path) -> None:
        (folder / "content").write_bytes(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")  # as a write does, without the file's name

    with pytest.raises(DataError, match=r"cannot be written: No space left on device\. Make room there"):
        Cache(tmp_path).get("rows", "key", fill_up, [])
    assert list((tmp_path / "rows").iterdir()) == []
