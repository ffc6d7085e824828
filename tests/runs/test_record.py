"""The typed record of a run: what is damaged is as if it were not there, what is newer is said to be so."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatelab.errors import RunError
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.record import SCHEMA_VERSION, RunRecord, load_record

MADE_BEFORE = Path(__file__).with_name("made_before")
WHOLE = json.loads(next(folder for folder in all_runs(MADE_BEFORE) if folder.model.exists()).record_file.read_text())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def places(values: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [here] * bool(here) + [place for key, value in items for place in places(value, (*here, key))]


@given(st.sampled_from(places({key: value for key, value in WHOLE.items() if key != "versions"})), ANYTHING)
def test_whatever_stands_somewhere_the_rest_is_read(tmp_path_factory: Any, place: tuple[Any, ...], value: Any) -> None:
    values = json.loads(json.dumps(WHOLE))
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    file = tmp_path_factory.mktemp("record") / "run.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    if place == ("schema_version",):
        return
    record, whole = load_record(file), RunRecord.model_validate(WHOLE)
    for name in RunRecord.model_fields:
        if name != place[0]:
            assert getattr(record, name) == getattr(whole, name)
    record.numbers()
    _ = record.content, record.last_start, record.started_at()


def test_what_a_newer_gatelab_wrote_is_not_guessed_at(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(RunError, match=rf"{file}: was written by a newer gatelab \(schema version 3"):
        load_record(file)


def test_an_update_keeps_what_this_version_does_not_know(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.record_file.write_text(json.dumps({"own": {"a": 1}, "data": {"own": 2}}))
    folder.update(status="finished")
    assert json.loads(folder.record_file.read_text()) == {
        "schema_version": SCHEMA_VERSION, "own": {"a": 1}, "data": {"own": 2}, "status": "finished",
    }  # fmt: skip
    assert folder.record.model_extra == {"own": {"a": 1}}


def test_the_baseline_to_beat_comes_before_those_that_look_at_no_input() -> None:
    record = RunRecord.model_validate({"baselines": {"majority": {"accuracy": 0.5}, "linear": {"accuracy": 0.7}}})
    assert list(record.ordered_baselines()) == ["linear", "majority"]
