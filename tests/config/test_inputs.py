"""Files besides the data enter by their content, never their place."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from gatelab.commands.reproduce import check_files, recorded_settings
from gatelab.config.identity import FILES, identity_of
from gatelab.config.inputs import digests_of, input_files
from gatelab.errors import DataError
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run, name_files
from gatelab.runs.record import RunRecord


def settings_with(key: str, value: Any, cache_dir: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "seed": 1,
        "model": {"dropout": 0.2},
        "data": {"cache_dir": str(cache_dir), "tokenizer": {"lowercase": True}},
    }
    *groups, name = key.split(".")
    inside = settings
    for group in groups:
        inside = inside[group]
    inside[name] = value
    return settings


def identity(settings: dict[str, Any]) -> str:
    return identity_of(settings, {"train": ["00ff"], **digests_of(input_files(settings))})


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A file, its copy under another name in another folder, and another file of the same name as the copy."""
    file, copy, other = tmp_path / "a.txt", tmp_path / "there" / "b.txt", tmp_path / "b.txt"
    copy.parent.mkdir()
    file.write_text("the 0.1 0.2\n")
    shutil.copy(file, copy)
    other.write_text("the 0.1 0.3\n")
    return file, copy, other


@pytest.mark.parametrize("key", FILES)
def test_a_moved_and_renamed_file_makes_the_same_run_and_other_content_another(
    key: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    here, copy, other = (identity(settings_with(key, str(file), tmp_path)) for file in files)
    assert here == copy
    assert here != other
    assert here != identity(settings_with(key, [str(files[0]), str(files[2])], tmp_path))


@pytest.mark.parametrize("key", FILES)
def test_a_key_that_names_no_file_is_no_part_of_an_identity(key: str, tmp_path: Path) -> None:
    without = settings_with("seed", 1, tmp_path)
    assert identity(settings_with(key, None, tmp_path)) == identity_of(without, {"train": ["00ff"]})


def test_name_sha256_and_size_are_recorded(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = input_files(settings_with("model.vectors", [str(files[1]), str(files[2])], tmp_path / "cache"))
    content = [file.read_bytes() for file in files[1:]]
    digests = [hashlib.sha256(text).hexdigest() for text in content]
    expected = [{"name": "b.txt", "sha256": digest, "bytes": 12} for digest in digests]
    assert found == {"model.vectors": expected}
    assert digests[0] in (tmp_path / "cache" / "sha256.json").read_text()
    record = RunRecord.model_validate({"files": found})
    assert [file.model_dump() for file in record.files["model.vectors"]] == expected


def test_a_missing_file_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.vectors: .*nothing\.txt: cannot be read"):
        input_files(settings_with("model.vectors", str(tmp_path / "nothing.txt"), tmp_path))


def test_a_reproduction_refuses_another_file_and_says_which_it_wants(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    file, copy, other = (settings_with("model.vectors", str(file), tmp_path) for file in files)
    record = RunRecord.model_validate({"files": input_files(file)})
    check_files(record, copy)
    with pytest.raises(DataError, match=r"model\.vectors: b\.txt has sha256 .* made with a\.txt, .*model\.vectors=…"):
        check_files(record, other)


def test_a_reproduction_looks_where_the_run_was_made_and_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, elsewhere = tmp_path / "made", tmp_path / "elsewhere"
    run = RunFolder(made / "outputs" / "default" / "0123456789")
    for folder in (elsewhere, run.path):
        folder.mkdir(parents=True)
    (made / "v.txt").write_text("the 0.1\n")
    run.config.write_text("model: {vectors: v.txt}\ndata: {path: t.csv}\n")
    run.update(directory=str(made))
    monkeypatch.chdir(elsewhere)
    assert recorded_settings(run, [], [])["model"]["vectors"] == str(made / "v.txt")
    assert recorded_settings(run, ["model.vectors=w.txt"], [])["model"]["vectors"] == "w.txt"


def test_runs_are_told_apart_by_the_content_of_their_files_not_by_the_place(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    configs = [settings_with("model.vectors", str(file), tmp_path) for file in files]
    records = [RunRecord.model_validate({"files": input_files(config)}) for config in configs]
    runs = [Run(RunFolder(tmp_path), "finished", record, {"seed": 1}) for record in (*records, RunRecord())]
    name_files(runs)
    assert [run.settings.get("model.vectors") for run in runs] == ["a.txt", "a.txt", "b.txt", None]
    name_files(runs[1:])
    digests = [record.files["model.vectors"][0].sha256[:8] for record in records]
    assert [run.settings["model.vectors"] for run in runs[1:3]] == [f"b.txt {digest}" for digest in digests[1:]]
