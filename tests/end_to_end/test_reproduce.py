"""gatelab reproduce: identical, or what differs first and why."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import gatelab, the_run

SETTINGS = [
    "data=csv", "data.path=table.csv", "trainer.max_epochs=2", "encoder.hidden_size=8", "model.embedding_size=8", "encoder.num_layers=2",
    "encoder.dropout=0.3", "baseline=none", "tracker=none", "report=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    words = {"good": "great fine lovely", "bad": "awful poor sad"}
    rows = [
        f"a {word} thing number {n},{label}"
        for label, group in words.items()
        for word in group.split()
        for n in range(30)
    ]
    (folder / "table.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    gatelab("train", *SETTINGS, f"data.cache_dir={cache_dir}", cwd=folder)
    return folder


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    """The same folder, to be changed."""
    shutil.copytree(recorded, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def change_record(copy: Path) -> Callable[..., None]:
    def change(group: str, **values: Any) -> None:
        file = the_run(copy) / "run.json"
        record = json.loads(file.read_text())
        record[group] |= values
        file.write_text(json.dumps(record))

    return change


def test_a_run_on_the_same_machine_and_data_is_identical_from_any_folder(recorded: Path, tmp_path: Path) -> None:
    output = gatelab("reproduce", str(the_run(recorded)), cwd=tmp_path)
    assert "identical: every number of metrics.csv, the weights and predictions.csv" in output
    assert "all that is recorded is the same" in output
    assert (the_run(recorded) / "reproduced").is_dir()
    assert gatelab("runs", cwd=recorded).count("finished") == 1


def test_one_changed_row_is_named_as_the_cause_with_the_first_number_that_differs(copy: Path) -> None:
    table = (copy / "table.csv").read_text()
    (copy / "table.csv").write_text(table.replace("a fine thing number 7,good", "a fine thing number 7,bad"))
    output = gatelab("reproduce", the_run(copy).name, cwd=copy, code=1)
    assert "different in" in output
    assert "metrics.csv: line " in output
    assert "recorded " in output
    assert "data, train file 1, sha256" in output
    assert "hardware" not in output


def test_other_versions_threads_and_code_are_named_even_where_the_numbers_are_the_same(
    copy: Path, change_record: Callable[..., None]
) -> None:
    change_record("versions", torch="1.0.0")
    change_record("hardware", processor="Analytical Engine")
    change_record("code", gatelab="0" * 64)
    output = gatelab("reproduce", the_run(copy).name, "--threads", "3", cwd=copy)
    assert "identical" in output
    for expected in ("version of torch", "1.0.0", "Analytical Engine", "code.gatelab", "hardware.threads"):
        assert expected in output


def test_each_file_that_differs_is_named_with_its_first_number(copy: Path) -> None:
    run = the_run(copy)
    for name in ("metrics.csv", "predictions.csv"):
        lines = (run / name).read_text().splitlines()
        fields = lines[3].split(",")
        lines[3] = ",".join([*fields[:-1], "0.125"])
        (run / name).write_text("\n".join(lines) + "\n")
    from safetensors.torch import load_file, save_file

    weights = load_file(run / "model" / "model.safetensors")
    weights["head.bias"][1] += 1
    save_file(weights, run / "model" / "model.safetensors")
    output = gatelab("reproduce", run.name, cwd=copy, code=1)
    assert "different in 3 of 3 files" in output
    assert "metrics.csv: line 4, epoch " in output
    assert "recorded 0.125, now 0." in output
    assert "model/model.safetensors: head.bias[1]: recorded" in output
    assert "predictions.csv: line 4 (table.csv line " in output


def test_a_reproduction_takes_no_other_settings(recorded: Path) -> None:
    output = gatelab("reproduce", the_run(recorded).name, "encoder.hidden_size=9", cwd=recorded, code=2)
    assert "a reproduction keeps its settings" in output


def test_data_may_be_elsewhere_now(copy: Path, tmp_path: Path) -> None:
    (copy / "table.csv").rename(tmp_path / "moved.csv")
    record = json.loads((the_run(copy) / "run.json").read_text())
    record["directory"] = str(copy)
    (the_run(copy) / "run.json").write_text(json.dumps(record))
    assert "table.csv: no such file" in gatelab("reproduce", the_run(copy).name, cwd=copy, code=2)
    arguments = [f"data.path={tmp_path / 'moved.csv'}", f"data.cache_dir={tmp_path / 'cache'}"]
    assert "identical" in gatelab("reproduce", the_run(copy).name, *arguments, cwd=copy)
