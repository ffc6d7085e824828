"""One text as a run of each arm reads it, on the page of a sweep."""

import base64
import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from run_folders import Folders

from gatelab.reports.charts.colours import palette
from gatelab.reports.charts.shared_text import OPENNESS, shared_text
from gatelab.reports.pages.links import links_from
from gatelab.reports.pages.sweep_page import compare_sweep, ordered_arms, write_sweep
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import load_runs
from gatelab.runs.readings import read_arrays, write_reading

WORDS = ["not", "<b>bad", "at", "all"]
ARMS = {"lstm": [0.5, 0.25, 0.75, 1.0], "gru": [0.5, 0.75, 0.5, 0.0], "janet": [0.25] * 4}


def reading(positive: list[float], line: int = 7, **more: Any) -> dict[str, Any]:
    """Of two units whose forget gate is as open as what is said is positive, at its mean."""
    values = np.array(positive)
    arrays = {
        "tokens": np.array(WORDS), "unknown": np.zeros(4, bool), "classes": np.array(["bad", "good"]), "answer": np.array("good"),
        "probabilities": np.stack([1 - values, values], 1), "units": np.array([0]), "contributions": np.array([0.1]),
        "learned": np.array(["forget_gate"]), "l0.forget_gate": np.stack([values * 0.5, values * 1.5], 1).clip(0, 1),
        "l0.hidden": np.zeros((4, 2)), "source": np.array("a.csv"), "line": np.array(line), "label": np.array("bad"),
    }  # fmt: skip
    return {**arrays, **more}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path / "outputs")
    for name, values in ARMS.items():
        for seed in (1, 2):
            settings = {"encoder._target_": f"mine.{name}"}
            folder = folders.write(seed, 0.5, settings=settings, choices={"encoder": name})
            write_reading(folder.shared_reading, reading(values, line=seed))
    return folders


def shared_by(folders: Folders) -> Any:
    runs = load_runs(all_runs(folders.output_dir))
    return shared_text(ordered_arms(compare_sweep(runs)), links_from(folders.output_dir / "sweep"))


def page_of(folders: Folders) -> str:
    return write_sweep(all_runs(folders.output_dir))[0].read_text(encoding="utf-8").partition('id="text"')[2]


def run_of(folders: Folders, encoder: str, seed: int) -> RunFolder:
    (found,) = [run.folder for run in load_runs(all_runs(folders.output_dir)) if run.record.choices["encoder"] == encoder and run.record.seed == seed]  # fmt: skip
    return found


def test_each_arms_words_are_tinted_by_the_probability_of_the_label_after_them(folders: Folders) -> None:
    page = page_of(folders)
    tinted = re.findall(r'<p class="tinted">(.*?)</p>', page, re.DOTALL)
    classes = [re.findall(r'<span class="o(\d+)">', one) for one in tinted]
    assert classes == [[str(round(10 * (1 - value))) for value in values] for values in ARMS.values()]
    assert "&lt;b&gt;bad" in page
    assert "a.csv, line 1" in page


def test_the_bands_are_the_mean_of_each_gate_in_the_colours_of_openness(folders: Folders) -> None:
    for image, values in zip(re.findall(r'href="data:image/png;base64,([^"]+)"', page_of(folders)), ARMS.values(), strict=True):  # fmt: skip
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"))
        means = [(value * 0.5 + min(1, value * 1.5)) / 2 for value in values]
        assert pixels[0].tolist() == palette(OPENNESS)[(np.array(means) * 100 + 0.5).astype(int)].tolist()


def test_the_text_is_the_one_that_most_arms_have_read(folders: Folders) -> None:
    write_reading(run_of(folders, "gru", 1).shared_reading, reading(ARMS["gru"], line=99))
    run_of(folders, "janet", 1).shared_reading.unlink()
    found = shared_by(folders)
    assert [(reader.name, reader.run) for reader in found.readers] == [(name, "seed 2") for name in ARMS]
    assert (found.place, found.left_out) == ("a.csv, line 2", 0)


def test_without_a_text_that_two_arms_have_read_there_is_no_such_section(folders: Folders) -> None:
    for number, run in enumerate(all_runs(folders.output_dir)):
        write_reading(run.shared_reading, reading(ARMS["lstm"], line=number))
    assert shared_by(folders) is None
    assert page_of(folders) == ""


@pytest.mark.parametrize(
    "wrong", [{"probabilities": np.zeros((3, 2))}, {"l0.forget_gate": np.zeros((3, 2))}, {"unknown": np.zeros(2)}]
)
def test_a_damaged_reading_is_a_caution_on_the_page(wrong: dict[str, Any], folders: Folders) -> None:
    file = run_of(folders, "lstm", 1).shared_reading
    write_reading(file, reading(ARMS["lstm"], **wrong))
    page = write_sweep(all_runs(folders.output_dir))[0].read_text(encoding="utf-8")
    assert f"One text, read by each arm, cannot be shown: {file}: cannot be read" in page
    assert 'id="text"' not in page


def test_a_run_leaves_its_reading_of_the_row_with_nearly_20_tokens_that_comes_first(hostile_run: Path) -> None:
    rows = list(csv.DictReader((hostile_run / "predictions.csv").open(encoding="utf-8", newline="")))
    wanted = min(rows, key=lambda row: (abs(int(row["tokens"]) - 20), int(row["line"])))
    gates = read_arrays(RunFolder(hostile_run).shared_reading)
    assert (str(gates["line"]), str(gates["label"])) == (wanted["line"], wanted["label"])
    last = [float(wanted[f"probability:{name}"]) for name in gates["classes"].tolist()]
    np.testing.assert_allclose(gates["probabilities"][-1], last, atol=1e-5)
    assert "attributions" not in gates
