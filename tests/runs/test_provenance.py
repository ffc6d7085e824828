import hashlib
import subprocess
from pathlib import Path

import pytest

from gatelab.runs import checkout as checkout_module
from gatelab.runs.folder import RunFolder
from gatelab.runs.provenance import git_state, hash_of_module, hash_of_package, provenance, uncommitted_diff, write_diff
from gatelab.runs.record import Resources, RunRecord
from gatelab.runs.resources import add_up


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    for name, value in (("AUTHOR", "a"), ("COMMITTER", "c")):
        monkeypatch.setenv(f"GIT_{name}_NAME", value)
        monkeypatch.setenv(f"GIT_{name}_EMAIL", f"{value}@localhost")
    git(folder, "init", "-q")
    (folder / "mine.py").write_text("size = 1\n")
    (folder / "conf.yaml").write_text("a: 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    monkeypatch.chdir(folder)
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


def diff_of(folder: Path) -> str:
    return uncommitted_diff(RunRecord.model_validate({"project_git": git_state(folder)}), folder / "outputs")


def test_a_clean_checkout_has_no_diff(checkout: Path) -> None:
    state = git_state(checkout)
    assert state == {"top": str(checkout), "commit": git(checkout, "rev-parse", "HEAD").strip(), "dirty": False}
    assert diff_of(checkout) == ""


def test_the_diff_makes_the_work_tree_out_of_the_commit_new_files_included(checkout: Path, tmp_path: Path) -> None:
    (checkout / "mine.py").write_text("size = 2\n")
    (checkout / "new.py").write_text("token = read()\n")
    (checkout / "outputs" / "x").mkdir(parents=True)
    (checkout / "outputs" / "x" / "run.json").write_text("{}")
    (checkout / "picture.bin").write_bytes(bytes(range(256)))
    before = git(checkout, "status", "--porcelain")
    diff = diff_of(checkout)
    assert git(checkout, "status", "--porcelain") == before  # the index is as it was
    assert "outputs" not in diff
    assert "left out, since it is binary or too large: a/picture.bin" in diff
    git(tmp_path, "clone", "-q", str(checkout), "copy")
    (tmp_path / "a.diff").write_text(diff)
    git(tmp_path / "copy", "apply", str(tmp_path / "a.diff"))
    for name in ("mine.py", "new.py"):
        assert (tmp_path / "copy" / name).read_text() == (checkout / name).read_text()


def test_a_diff_holds_no_secrets(checkout: Path) -> None:
    (checkout / "conf.yaml").write_text("a: 1\napi_key: abc123def\n")
    (checkout / "mine.py").write_text('connect(token=token, password="hunter2hunter2")\n')
    diff = diff_of(checkout)
    assert "abc123def" not in diff
    assert "hunter2" not in diff
    assert "token=token" in diff


def test_untracked_files_that_are_no_code_are_named_with_size_and_sha256_only(checkout: Path) -> None:
    content = "a review,positive\n" * 200_000
    (checkout / "réviews 1.csv").write_text(content)
    diff = diff_of(checkout)
    assert len(diff) < 300
    digest = hashlib.sha256(content.encode()).hexdigest()
    assert f"a/réviews 1.csv, {len(content):,} bytes, sha256 {digest}" in diff


def test_a_diff_that_cannot_be_made_is_said_in_the_record_and_on_the_screen(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "mine.py").write_text("size = 2\n")
    folder = RunFolder(checkout / "outputs" / "name" / "0123456789")
    folder.path.mkdir(parents=True)
    folder.update(project_git=git_state(checkout))
    monkeypatch.setattr(checkout_module, "SECONDS", 1e-9)
    write_diff(folder)
    assert "git took over" in folder.record.diff_problem
    assert "uncommitted.diff could not be made" in capsys.readouterr().out
    assert not folder.diff.exists()


def test_a_folder_outside_a_checkout_has_no_git(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None


def test_code_is_known_by_what_stands_in_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(checkout)
    before = hash_of_package(checkout), hash_of_module("mine")
    (checkout / "mine.py").write_text("size = 3\n")
    after = hash_of_package(checkout), hash_of_module("mine")
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert hash_of_module("nowhere_to_be_found") is None


def test_the_record_says_what_a_reproduction_needs() -> None:
    import numpy
    import torch

    record = provenance()
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"]["numpy"] == numpy.__version__
    assert record["hardware"]["threads"] == torch.get_num_threads()
    assert {"system", "processor", "cores", "gpus", "cuda", "cudnn"} <= set(record["hardware"])
    assert len(record["code"]["gatelab"]) == 64


def test_the_readings_of_several_starts_are_added_up() -> None:
    first = {
        "wall_seconds": 2.0,
        "cpu_seconds": 1.0,
        "peak_memory_bytes": 30,
        "peak_gpu_memory_bytes": None,
        "energy_joules": {"gpu-0": 5.0},
    }
    second = {**first, "peak_memory_bytes": 20, "energy_joules": {"gpu-0": 1.0, "package-0": 2.0}}
    assert add_up(Resources(), first) == first
    assert add_up(Resources.model_validate(first), second) == {
        "wall_seconds": 4.0, "cpu_seconds": 2.0, "peak_memory_bytes": 30, "peak_gpu_memory_bytes": None,
        "energy_joules": {"gpu-0": 6.0, "package-0": 2.0},
    }  # fmt: skip
