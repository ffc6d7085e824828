"""Metrics over the length of the sequences, from run folders written by hand."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import Folders

from gatelab.reports.analysis.arms import group_arms
from gatelab.reports.charts.swept_lines import lines_over_keys, lines_over_lengths
from gatelab.reports.pages.length_section import length_section
from gatelab.reports.pages.sweep_page import write_sweep
from gatelab.runs.folder import all_runs
from gatelab.runs.load import load_runs


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


RIGHT = {("gru", 50): (1.0, 0.9), ("gru", 200): (0.8, 0.6), ("rnn", 50): (0.5, 0.1), ("rnn", 200): (0.08, 0.06)}


def write(folders: Folders) -> list[Any]:
    """Two cells at two lengths with two seeds, each also tested at 400 with a tenth of the sequences right."""
    for (cell, length), values in RIGHT.items():
        for seed, right in enumerate(values):
            table = {str(length): {"sequences_right": right}, "400": {"sequences_right": right / 10}}
            chance = {"sequences_right": 0.05}
            folders.write(
                seed, settings={"data.length": length, "encoder._target_": f"gatelab.recurrent.{cell.upper()}Encoder"}, monitor="loss",
                sha256=f"{length:064}", metrics={"sequences_right": right, "longest_right": 50, "by_length": table},
                baselines={"memoryless": {**chance, "by_length": dict.fromkeys(table, chance)}}, best_validation={"loss": 1.0},
                choices={"encoder": cell},
            )  # fmt: skip
    return all_runs(folders.output_dir, "sweep")


def test_a_swept_length_is_drawn_with_a_line_and_a_band_for_each_cell(folders: Folders) -> None:
    runs = load_runs(write(folders))
    (chart,) = lines_over_keys(runs, ["sequences_right"])
    lines = {line.name: line for line in chart.lines}
    assert set(lines) == {"encoder=gru", "encoder=rnn", "memoryless baseline"}
    assert lines["encoder=gru"].x.tolist() == [50, 200]
    assert lines["encoder=gru"].y.tolist() == pytest.approx([0.95, 0.7])
    assert lines["encoder=rnn"].band is not None
    assert lines["encoder=rnn"].band.tolist() == [[0.1, 0.5], [0.06, 0.08]]
    assert lines["memoryless baseline"].y.tolist() == [0.05, 0.05]
    assert [value for value, _ in chart.x.ticks] == [50, 200]


def test_the_lengths_of_the_tests_are_drawn_for_each_arm(folders: Folders) -> None:
    runs = load_runs(write(folders))
    (chart,) = lines_over_lengths(group_arms(runs).arms)
    means = {line.name: dict(zip(line.x.tolist(), line.y.tolist(), strict=True)) for line in chart.lines}
    (name,) = [name for name in means if "gru" in name and "200" in name]
    assert means[name] == pytest.approx({200: 0.7, 400: 0.07})


def test_the_page_of_the_sweep_and_of_a_run_have_them(folders: Folders) -> None:
    found = write(folders)
    page, *figures = write_sweep(found)
    assert "Over the length of the sequences" in page.read_text(encoding="utf-8")
    assert "over_length.svg" in [figure.name for figure in figures]
    section = length_section(found[0].record, "gru")
    assert section is not None
    assert [title for title, _ in section["columns"]] == [
        "length",
        "sequences right, gru",
        "sequences right, memoryless baseline",
    ]
    assert section["rows"][1] == [("400", 400), "0.1000", "0.0500"]


def test_arms_that_were_tested_at_their_own_length_alone_are_not_drawn_over_the_lengths_of_the_tests(
    folders: Folders,
) -> None:
    for length in (50, 200):
        folders.write(
            0, settings={"data.length": length}, metrics={"mse": 0.1, "by_length": {str(length): {"mse": 0.1}}}
        )
    assert lines_over_lengths(group_arms(load_runs(all_runs(folders.output_dir, "sweep"))).arms) == []


def test_other_sweeps_have_no_such_charts(folders: Folders) -> None:
    folder = folders.write(0, 0.8)
    runs = load_runs([folder, folders.write(0, 0.9, settings={"encoder.hidden_size": 64})])
    assert lines_over_keys(runs, ["accuracy"]) == []
    assert lines_over_lengths(group_arms(runs).arms) == []
    assert length_section(folder.record, "lstm") is None
