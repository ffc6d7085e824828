"""metrics.csv as it is written, read at once and read while it grows."""

from pathlib import Path

from gatelab.runs.difference import first_metric
from gatelab.runs.history import NewValues, append_values, read_points, read_values


def test_every_reader_finds_what_was_written_under_names_that_csv_quotes(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    values = {'validation/f1 "a, b"': 0.1 + 0.2, "train/loss": float("inf")}
    append_values(file, 0, 9, values)
    reader = NewValues(file)
    first = reader.read()
    append_values(file, 1, 19, {"train/loss": 1e-300})
    assert [(value.name, value.value) for value in first] == list(values.items())
    assert first + reader.read() == read_values(file)
    assert [point.values for point in read_points(file, file.stat().st_size)] == [values, {"train/loss": 1e-300}]
    assert reader.read() == []


def test_the_first_value_that_differs_is_named_and_nan_is_the_same_as_nan(tmp_path: Path) -> None:
    recorded, now = tmp_path / "recorded.csv", tmp_path / "now.csv"
    for file, second in ((recorded, 0.5), (now, 0.25)):
        append_values(file, 0, 9, {"train/loss": float("nan"), "validation/macro_f1": second})
    assert first_metric(recorded, now) == "line 3, epoch 0, step 9, validation/macro_f1: recorded 0.5, now 0.25"
    append_values(recorded, 1, 19, {"train/loss": 0.5})
    assert first_metric(recorded, recorded) is None
