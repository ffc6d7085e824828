"""docs/lstm.ipynb: runs from top to bottom where gatelab is installed, and is stored without outputs."""

import json
import statistics
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FILE = Path(__file__).parents[1] / "docs" / "lstm.ipynb"
SUMMARY = """
import json
print(json.dumps([measured.to_dict("records"), run.metrics["test/accuracy"], run.baselines["linear"]["test/accuracy"], len(mine.predictions)]))
"""


def test_the_notebook_is_stored_without_outputs() -> None:
    notebook: Any = nbformat.read(FILE, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count is not None] == []


def test_the_notebook_runs_from_top_to_bottom_and_shows_what_its_text_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # of the data cache too
    notebook: Any = nbformat.read(FILE, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(SUMMARY))
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    shown = {cell.id: cell.outputs for cell in notebook.cells if cell.get("outputs")}
    for cell in ("same-words", "rnn-torch", "lstm-loop"):
        assert shown[cell][0].data["text/plain"] == "True"
    for cell in ("gradients", "trace", "written", "shown", "curves"):
        assert [output for output in shown[cell] if "image/png" in output.get("data", {})], cell
    for cell in ("train-sample", "train-own"):
        # Silent.
        assert [list(output) for output in shown[cell]] == [["output_type", "metadata", "data", "execution_count"]]
        assert "macro-F1" in shown[cell][0].data["text/html"]
    measured, accuracy, linear, num_predictions = json.loads(notebook.cells[-1].outputs[0].text)
    recalled: dict[tuple[str, int], list[float]] = {}
    for row in measured:
        recalled.setdefault((row["network"], row["gap"]), []).append(row["accuracy"])
    medians = {key: statistics.median(values) for key, values in recalled.items()}
    assert medians["plain_loop", 3] > 0.9
    assert medians["plain_loop", 60] < 0.65
    assert min(medians["lstm", gap] for gap in (3, 15, 60)) > 0.9
    assert accuracy > 0.9
    assert linear < 0.65
    assert num_predictions == 24
