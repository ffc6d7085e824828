"""What a run folder of somebody else makes commands do that train, test or export from it: nothing but what they are for."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import Folders

from gatelab.commands.reproduce import reproduce
from gatelab.errors import UserError

THREADS = "threads: no machine has so many. Give --threads"
# what the record says, what the user types, and what the refusal says
REPRODUCED: list[tuple[dict[str, Any], list[str], str]] = [
    ({"hardware": {"threads": 10**9}}, [], f"1,000,000,000 {THREADS}"),
    ({"hardware": {"threads": -3}}, [], f"-3 {THREADS}"),
    ({"hardware": {"threads": 2**62}}, [], THREADS),
    ({}, ["data.path=["], r"data\.path=\[: cannot be read .* Write KEY=VALUE"),
    ({}, ["data.path=${nowhere}"], r"data\.path=.*: cannot be read"),
    ({}, ["data.cache_dir={a: 1}"], r"config\.yaml: cache_dir is no group of keys"),
    ({}, ["seed=1"], "seed: a reproduction keeps its settings"),
    ({"status": "running"}, [], "is interrupted, so it has no model"),
]


@pytest.mark.parametrize(("record", "overrides", "says"), REPRODUCED)
def test_a_record_and_what_is_typed_beside_it_are_refused(
    record: dict[str, Any], overrides: list[str], says: str, tmp_path: Path
) -> None:
    run = Folders(tmp_path / "outputs").write(1, 0.8, settings={"data.cache_dir": "cache"}, **record)
    with pytest.raises(UserError, match=says):
        reproduce(str(run.path), tmp_path / "outputs", overrides)
    assert not (run.path / "reproduced").exists()


def test_a_reproduction_goes_into_the_run_folder_and_through_no_link(tmp_path: Path) -> None:
    run = Folders(tmp_path / "outputs").write(1, 0.8)
    (run.path / "reproduced").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"reproduced: is a link, and a reproduction writes nothing outside"):
        reproduce(str(run.path), tmp_path / "outputs", [])
