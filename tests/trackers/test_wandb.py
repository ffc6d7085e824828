"""The wandb tracker online, its client before a server of the test."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import yaml
from wandb_server import WandbServer, wandb_server

from gatelab.commands.train import compose
from gatelab.runs.folder import RunFolder
from gatelab.runs.run_notes import Notes
from gatelab.trackers import wandb as module
from gatelab.trackers.tracker import Point, TrackedRun, TrackerError
from gatelab.trackers.wandb import WandbTracker
from gatelab.training.run import check, resolve

DOCS = Path(__file__).parents[2] / "docs" / "runs.md"

FIRST = [Point(step, 0, {"train/loss": 1 / step}) for step in (1, 2, 3)]
SECOND = [Point(step, 1, {"train/loss": 1 / step}) for step in (3, 4, 5)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    import wandb

    with wandb_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        wandb.teardown()  # its settings are read once a process
        yield server
        wandb.teardown()


@pytest.fixture
def run(tmp_path: Path) -> TrackedRun:
    (tmp_path / "default" / "3f9c").mkdir(parents=True)
    return TrackedRun(
        RunFolder(tmp_path / "default" / "3f9c"), "default", "3f9c", {"encoder": {"hidden_size": 8}}, warn=fail
    )


def fail(sentence: str) -> None:
    raise AssertionError(sentence)


def track(
    run: TrackedRun, points: list[Point], status: str = "interrupted", mode: Literal["offline", "online"] = "online"
) -> tuple[WandbTracker, list[str]]:
    tracker = WandbTracker(run, project="p", entity=None, mode=mode)
    tracker.log(points)
    return tracker, tracker.finish(status)


def test_a_run_that_goes_on_goes_on_in_the_run_that_the_server_has(server: WandbServer, run: TrackedRun) -> None:
    track(run, FIRST)
    track(run, SECOND)  # the third step again, as after a checkpoint
    (name,) = server.history
    assert [(row["_step"], row["epoch"]) for row in server.rows(name)] == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1)]
    assert server.exit_codes[name] == 1
    assert server.config[name]["encoder"]["value"] == {"hidden_size": 8}


def test_a_run_under_another_name_or_started_anew_is_another_one(server: WandbServer, run: TrackedRun) -> None:
    from dataclasses import replace

    for other in (run, replace(run, name="other"), replace(run, started="2026-01-02")):
        track(other, FIRST)
    assert len(server.history) == 3


def test_a_run_of_a_sweeps_agent_is_the_one_that_the_agent_has_named(
    server: WandbServer, run: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "agents1")
    track(run, FIRST)
    assert [row["_step"] for row in server.rows("agents1")] == [1, 2, 3]


def test_the_words_that_an_agent_makes_of_the_documented_sweep_are_a_config() -> None:
    """The agent's own functions make them."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    block = DOCS.read_text(encoding="utf-8").partition("```yaml\nmethod: bayes")[2].partition("```")[0]
    sweep = yaml.safe_load(f"method: bayes{block}")
    proposed = {key: {"value": given.get("min") or given["values"][-1]} for key, given in sweep["parameters"].items()}
    words = create_sweep_command(sweep["command"])
    assert words[:2] == ["gatelab", "train"]
    assert words[-1] == "${args_no_hyphens}"
    settings = resolve(compose([*words[2:-1], *create_sweep_command_args({"args": proposed})["args_no_hyphens"]]))
    task = check(settings)[1]
    assert sweep["metric"]["name"] in task.logged
    assert settings["encoder"]["_target_"] == "gatelab.recurrent.GatedEncoder"
    assert (settings["encoder"]["hidden_size"], settings["encoder"]["bidirectional"]) == (128, False)
    assert (settings["optimizer"]["lr"], settings["callbacks"]["early_stopping"]["mode"]) == (1e-5, None)
    assert settings["tracker"]["wandb"]["mode"] == "online"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"WANDB_BASE_URL": "http://127.0.0.1:9"}, "is offline for this run: http://127.0.0.1:9 cannot be reached"),
        ({"WANDB_API_KEY": ""}, "is offline for this run: there is no login (wandb login)"),
    ],
)
def test_without_a_login_or_a_server_an_online_run_is_kept_offline(
    variables: dict[str, str], reason: str, server: WandbServer, run: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    import wandb

    monkeypatch.setenv("NETRC", "/dev/null")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    wandb.teardown()
    said: list[str] = []
    tracker, look = track(replace(run, warn=said.append), FIRST)
    assert said == [reason]
    assert tracker.mode == "offline"
    assert [line.split()[:2] for line in look] == [["wandb", "leet"], ["wandb", "sync"]]
    assert list(run.folder.path.glob("wandb/offline-run-*/*.wandb"))


def test_a_server_that_goes_away_is_told_with_the_command_that_sends_the_rest(
    server: WandbServer, run: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_FINISH", 2)
    tracker = WandbTracker(run, project="p", entity=None, mode="online")
    server.shutdown()
    server.server_close()
    tracker.log(FIRST)
    with pytest.raises(TrackerError, match=r"in time; wandb sync --include-online .*run-.*-3f9c-\w+ sends it"):
        tracker.finish("failed")


def test_results_that_cannot_be_drawn_are_missed_with_a_warning_and_the_run_is_ended(
    server: WandbServer, run: TrackedRun
) -> None:
    from dataclasses import replace

    said: list[str] = []
    track(replace(run, warn=said.append), FIRST, status="finished")  # without predictions.csv
    assert len(said) == 1
    assert said[0].startswith("lacks plots of the test, or the report: ")
    assert list(server.exit_codes.values()) == [0]


def test_wandbs_own_variables_come_before_the_config(
    run: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    folder = tmp_path / "elsewhere"
    given = {"MODE": "offline", "PROJECT": "thesis", "NAME": "try 1", "TAGS": "a, b", "DIR": str(folder)}
    for name, value in given.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    wandb.teardown()
    tracker, look = track(run, FIRST, mode="online")  # of the config
    assert tracker.mode == "offline"
    settings = tracker._wandb.settings
    assert (settings.project, settings.run_name, settings.run_tags) == ("thesis", "try 1", ("a", "b"))
    assert list(folder.glob("wandb/offline-run-*/*.wandb"))
    assert str(folder) in look[0]
    assert not (run.folder.path / "wandb").exists()


def test_tags_and_note_of_the_run_are_those_of_wandb(run: TrackedRun) -> None:
    tracker, _ = track(replace(run, notes=Notes(note="too large", tags=["odd", "lr:high"])), FIRST, mode="offline")
    assert tracker._wandb.settings.run_tags == ("odd", "lr:high")
    assert tracker._wandb.settings.run_notes == "too large"


def test_wandb_mode_disabled_leaves_nothing(run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tracker, look = track(run, FIRST, mode="offline")
    assert (tracker.mode, look) == ("disabled", [])
    assert not (run.folder.path / "wandb").exists()
