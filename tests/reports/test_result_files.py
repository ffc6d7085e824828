"""NAME.md, its picture and README.md, from run folders written by hand."""

import re
from pathlib import Path
from typing import Any

import pytest
from run_folders import Folders

from gatelab.commands.report import write
from gatelab.errors import RunError
from gatelab.reports.result_files import command_of
from gatelab.runs.folder import all_runs
from gatelab.runs.load import load_runs

HOSTILE = "Does --> <img src=x> | hold?"
CLAIM = {"better": {"encoder": "lstm"}, "worse": {"encoder": "gru"}, "metric": "accuracy"}
STATED = {"experiment.question": HOSTILE, "experiment.claim": "It does.", "experiment.claims": [CLAIM]}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def write_runs(folders: Folders, name: str, stated: dict[str, Any] = STATED, **record: Any) -> None:
    for encoder, accuracies in {"lstm": [0.9, 0.91, 0.92, 0.93], "gru": [0.8, 0.81, 0.82, 0.83]}.items():
        for seed, accuracy in enumerate(accuracies, 1):
            folders.write(
                seed, accuracy, name=name, settings={**stated, "encoder._target_": encoder}, choices={"encoder": encoder},
                resources={"cpu_seconds": 450.0}, command=["/usr/bin/gatelab", "train", "-m", f"experiments={name}", "output_dir=/home/ada/outputs",
                "data.path=/home/ada/reviews.csv"], **record,
            )  # fmt: skip


def test_the_result_is_written_with_every_seed_and_the_readme_is_the_table_of_all(
    folders: Folders, tmp_path: Path
) -> None:
    write_runs(folders, "first")
    place = tmp_path / "results"
    write("first", folders.output_dir, results=place)
    text = (place / "first.md").read_text()
    assert "**The claim is reproduced.**" in text
    assert "| reproduced | encoder=lstm better than encoder=gru in accuracy | better with probability 1.00, p = 0.0286; 4 and 4 runs |" in text  # 2 of 70 ways  # fmt: skip
    assert "| lstm | 1: 0.9, 2: 0.91, 3: 0.92, 4: 0.93 | 0.9150 ± 0.0129 |" in text
    assert "    gatelab train -m experiments=first data.path=reviews.csv\n" in text
    assert "/home/ada" not in text
    assert "1 h 0 min" in text  # eight runs of 450 s
    assert text.split("\n")[0].count("-->") == 1  # the question ends no comment
    assert (place / "first.svg").read_text().startswith("<?xml")
    row = r"| [first](first.md) | Does --> \<img src=x> \| hold? | The claim is reproduced | 8 | 1 h 0 min |"
    assert row in (place / "README.md").read_text()

    write_runs(folders, "second")
    before = (place / "first.md").read_bytes()
    write("second", folders.output_dir, results=place)
    table = (place / "README.md").read_text()
    assert row in table
    assert re.findall(r"^\| \[(\w+)\]", table, re.MULTILINE) == ["first", "second"]
    assert (place / "first.md").read_bytes() == before


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("data.path=[/home/ada/a.csv,here/b.csv]", "'data.path=[a.csv,b.csv]'"),
        ("data.path=https://example.org/a/b.csv", "data.path=https://example.org/a/b.csv"),
        ("model.vectors=/home/ada/my vectors/glove.txt", "model.vectors=glove.txt"),
        ("--config-dir=/home/ada/conf", "--config-dir=conf"),
        ("+output_dir=/home/ada/outputs", ""),
        ("from=adding/3f9c", "from=adding/3f9c"),
        ("hydra.sweeper.metric=validation/macro_f1", "hydra.sweeper.metric=validation/macro_f1"),
    ],
)
def test_the_command_has_no_path_of_the_machine(typed: str, shown: str, folders: Folders) -> None:
    folders.write(1, 0.9, command=["/usr/bin/gatelab", "train", "experiments=first", typed])
    command = command_of("first", load_runs(all_runs(folders.output_dir)))
    assert command == f"gatelab train experiments=first {shown}".strip()


@pytest.mark.parametrize("name", ["README.md", "first.md", "first.svg"])
def test_a_file_of_somebody_else_is_not_overwritten(name: str, folders: Folders, tmp_path: Path) -> None:
    write_runs(folders, "first")
    (tmp_path / name).write_text("mine\n")
    there = set(tmp_path.iterdir())
    with pytest.raises(RunError, match=rf"{name}: was not written by gatelab report --results, and is not overwritten"):
        write("first", folders.output_dir, results=tmp_path)
    assert ((tmp_path / name).read_text(), set(tmp_path.iterdir())) == ("mine\n", there)


def test_runs_that_are_no_result_are_refused_and_nothing_is_written(folders: Folders, tmp_path: Path) -> None:
    write_runs(folders, "quick", {**STATED, "quick": True})
    write_runs(folders, "silent", {"experiment.question": "Why?"})
    write_runs(folders, "waiting")
    folders.write(9, name="waiting", status="interrupted", settings=STATED)
    folders.write(1, name="numberless", settings=STATED)
    place = tmp_path / "results"
    for name, says in {
        "numberless": r"no run is finished with a number",
        "quick": r"has quick runs",
        "silent": r"states no criterion.*experiments/silent\.yaml",
        "waiting": r"run \w+ has not ended",
    }.items():
        with pytest.raises(RunError, match=says):
            write(name, folders.output_dir, results=place)
    with pytest.raises(RunError, match=r"Leave out --by"):
        write("waiting", folders.output_dir, results=place, by=["encoder"])
    assert not place.exists()


def test_a_published_number_of_a_baseline_is_held_against_it_on_the_file_whose_path_ends_so(
    folders: Folders, tmp_path: Path
) -> None:
    published = {
        "where": {"data.path": "mr.tsv"},
        "baseline": "nbsvm",
        "metric": "accuracy",
        "value": 0.79,
        "margin": 0.02,
        "reason": "so",
    }
    for file, shift in {"/home/ada/mr.tsv": 0.0, "/home/ada/cr.tsv": 0.1}.items():
        for seed in range(1, 5):
            baselines = {"nbsvm": {"accuracy": 0.79 + shift + seed / 1000}}
            settings = {"experiment.published": [published], "data.path": file}
            data = {
                "files": [file, "/home/ada/dev.tsv"],
                "sha256": {"train": [file[10] * 64], "validation": ["d" * 64]},
            }
            folders.write(seed, 0.6, name="folds", settings=settings, baselines=baselines, data=data)
    write("folds", folders.output_dir, results=tmp_path / "results")
    text = (tmp_path / "results" / "folds.md").read_text()
    assert (
        "| reproduced | path=mr.tsv, NBSVM baseline: accuracy 0.79, to within 0.02 (so) | 0.7925 ± 0.0013 over 4 seeds;"
        in text
    )
