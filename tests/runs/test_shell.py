"""Commands that are shown: pasted into a shell they find the run."""

import shlex
from pathlib import Path

from gatelab.runs.folder import RunFolder, find_run
from gatelab.runs.shell import command, command_on, shortest_name


def run_at(place: Path) -> RunFolder:
    place.mkdir(parents=True)
    (place / "run.json").write_text("{}")
    return RunFolder(place)


def test_a_command_names_the_root_where_it_is_not_the_default_one_and_is_quoted_for_a_shell() -> None:
    assert command("ui", "--open") == "gatelab ui --open"
    assert command("ui", output_dir=Path("outputs")) == "gatelab ui"
    shown = command("predict", "3f9c", "it's a text", output_dir="my runs/$HOME")
    assert shlex.split(shown) == ["gatelab", "predict", "3f9c", "it's a text", "--output-dir", "my runs/$HOME"]


def test_a_run_is_named_by_as_many_digits_as_no_other_begins_with_and_by_its_name_where_another_has_them_all(
    tmp_path: Path,
) -> None:
    alone = run_at(tmp_path / "a" / "3f9c000000")
    assert shortest_name(alone) == "3f9c"
    near, twin = run_at(tmp_path / "a" / "3f9c010000"), run_at(tmp_path / "b" / "3f9c010000")
    assert shortest_name(alone) == "3f9c00"
    assert shortest_name(twin) == "b/3f9c010000"
    for run in (alone, near, twin):
        _, _, name, *rest = shlex.split(command_on(run, "predict", "a text"))
        assert find_run(name, tmp_path).path == run.path
        assert rest == ["a text", "--output-dir", str(tmp_path)]
