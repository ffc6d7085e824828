from pathlib import Path

from gatelab.runs.conditions import MAX_NAMED, changed_conditions
from gatelab.runs.record import Hardware, RunRecord, load_record, update_record

BEFORE = RunRecord(
    code={"gatelab": "0" * 64, "mine": "1" * 64},
    versions={"python": "3.11.1", "torch": "2.5.0", "rich": "13.0"},
    hardware=Hardware(processor="a", threads=2, gpus=[]),
)
NOW = {
    "code": dict(BEFORE.code),
    "versions": dict(BEFORE.versions),
    "hardware": {"processor": "a", "threads": 2, "gpus": []},
}


def test_the_same_conditions_are_none_that_changed() -> None:
    assert changed_conditions(BEFORE, NOW) == []
    assert changed_conditions(RunRecord(), NOW) == [], "an older record does not say"


def test_what_changed_is_named_with_what_it_was_and_is() -> None:
    now = {
        "code": {"gatelab": "2" * 64},
        "versions": BEFORE.versions | {"torch": "2.6.0"},
        "hardware": {"processor": "a", "threads": 1, "gpus": ["H100"]},
    }
    assert changed_conditions(BEFORE, now) == [
        "code of gatelab 00000000 → 22222222", "code of mine 11111111 → none", "torch 2.5.0 → 2.6.0", "threads 2 → 1", "gpus none → H100",
    ]  # fmt: skip


def test_a_package_named_like_a_secret_has_not_changed(tmp_path: Path) -> None:
    now = {**NOW, "versions": {"google-auth": "2.63.0"}}
    update_record(tmp_path / "run.json", versions=now["versions"])
    assert changed_conditions(load_record(tmp_path / "run.json"), now) == []


def test_of_many_changes_some_are_named() -> None:
    before = RunRecord(versions={str(number): "1" for number in range(20)})
    changed = changed_conditions(before, NOW)
    assert (len(changed), changed[-1]) == (MAX_NAMED + 1, "and 14 more")
