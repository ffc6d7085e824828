import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatelab.digest import sha256_of
from gatelab.errors import DataError

TABLE = b"text,label\ngood,pos\nbad,neg\n"
SHA256 = hashlib.sha256(TABLE).hexdigest()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_checksum_is_remembered_while_a_file_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = write(tmp_path / "a.csv", TABLE), tmp_path / "cache.json"
    assert sha256_of(path, cache) == SHA256
    cache.write_text(cache.read_text().replace(SHA256, "remembered"))
    assert sha256_of(path, cache) == "remembered"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "cache.json"]


@pytest.mark.parametrize("replaced", [False, True])
def test_another_content_of_equal_size_and_time_is_read_again(replaced: bool, tmp_path: Path) -> None:
    path, cache = write(tmp_path / "a.csv", TABLE), tmp_path / "cache.json"
    before = path.stat()
    assert sha256_of(path, cache) == SHA256
    time.sleep(0.02)  # a file system's clock ticks every few milliseconds
    changed = write(tmp_path / "b.csv" if replaced else path, TABLE.upper())
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed.replace(path)
    assert sha256_of(path, cache) == hashlib.sha256(TABLE.upper()).hexdigest()


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = write(tmp_path / "a.csv", TABLE), tmp_path / "cache.json"
    states = iter(["before", "after"])
    monkeypatch.setattr("gatelab.digest.state_of", lambda path: next(states))
    with pytest.raises(DataError, match=r"a\.csv: was changed while it was read"):
        sha256_of(path, cache)
    assert not cache.exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff", b'{"a": 1}', b'{"a": [1, null, "b"]}'])
def test_a_damaged_cache_is_ignored_and_written_anew(tmp_path: Path, damage: bytes) -> None:
    path, cache = write(tmp_path / "a.csv", TABLE), write(tmp_path / "cache.json", damage)
    assert sha256_of(path, cache) == SHA256
    assert SHA256 in cache.read_text()


def test_many_may_add_to_the_cache_at_once(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.csv", str(number).encode()) for number in range(100)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda path: sha256_of(path, tmp_path / "cache.json"), paths))
    assert found == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    assert len(list(tmp_path.iterdir())) == 101


def test_the_cache_drops_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatelab.digest.MAX_CACHED", 2)
    cache = tmp_path / "cache.json"
    for name in "abc":
        sha256_of(write(tmp_path / name, name.encode()), cache)
    digests = [hashlib.sha256(name.encode()).hexdigest() in cache.read_text() for name in "abc"]
    assert digests == [False, True, True]


def test_a_file_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv: cannot be read"):
        sha256_of(tmp_path / "nothing.csv", tmp_path / "cache.json")
