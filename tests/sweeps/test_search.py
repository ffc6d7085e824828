"""The search with trials that are functions: what it proposes, how it goes on, what it refuses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gatelab.errors import ConfigError, RunError
from gatelab.sweeps.outcome import Outcome

pytest.importorskip("optuna")

from hydra.core.override_parser.overrides_parser import OverridesParser

from gatelab.sweeps.search import Search, SearchError, distribution_of, open_storage

SPACE = ("optimizer.lr=tag(log,interval(1e-4,1e-1))", "encoder.hidden_size=range(2,65)", "encoder=choice(lstm,gru)")
SETTINGS = {
    "num_trials": 30, "at_once": 1, "metric": "validation/macro_f1", "direction": "maximize", "sampler": "tpe", "pruner": "none",
    "seed": 1, "study": "study", "storage": None, "monitor": lambda overrides: "macro_f1",
}  # fmt: skip


def search(folder: Path, space: Sequence[str] = SPACE, **settings: Any) -> Search:
    return Search(
        folder=folder, space=OverridesParser.create().parse_overrides(list(space)), **{**SETTINGS, **settings}
    )


def score(job: list[str]) -> float:
    """Best at a learning rate of 0.01 and a hidden size of 40."""
    values = dict(text.split("=", 1) for text in job)
    return -abs(float(values["optimizer.lr"]) - 0.01) - abs(int(values["encoder.hidden_size"]) - 40) / 100


def run(one: Search, die_at: int | None = None) -> list[list[str]]:
    """The jobs that were launched; the die_at-th never comes back."""
    launched: list[list[str]] = []

    def launch(jobs: Sequence[list[str]], number: int) -> list[Outcome]:
        launched.extend([text for text in job if not text.startswith("++")] for job in jobs)
        if len(launched) == die_at:
            raise KeyboardInterrupt
        return [Outcome("done", validation={"macro_f1": score(job[:3])}) for job in jobs]

    list(one.run(launch))
    return launched


def trials(folder: Path) -> list[Any]:
    import optuna

    return optuna.load_study(study_name="study", storage=open_storage(str(folder / "search.journal"))).trials


def test_thirty_trials_cut_off_in_the_eleventh_and_started_again_are_the_same_thirty(tmp_path: Path) -> None:
    whole = run(search(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        run(search(tmp_path / "cut"), die_at=11)
    again = run(search(tmp_path / "cut"))
    assert len(again) == 20
    assert whole[10:] == again
    assert [trial.value for trial in trials(tmp_path / "cut")] == [score(job) for job in whole]
    assert run(search(tmp_path / "cut")) == []


def test_proposals_come_closer_to_the_best(tmp_path: Path) -> None:
    scores = [score(job) for job in run(search(tmp_path))]
    assert sum(scores[20:]) / 10 > sum(scores[:10]) / 10


def test_several_trials_at_once_are_as_many_in_all(tmp_path: Path) -> None:
    assert len(run(search(tmp_path, num_trials=7, at_once=3))) == 7
    assert len(run(search(tmp_path, num_trials=9, at_once=3))) == 2


def test_a_failed_or_pruned_trial_is_kept_as_what_it_is_and_an_interrupted_one_goes_on(tmp_path: Path) -> None:
    kinds = iter(["failed", "pruned", "interrupted"])
    list(search(tmp_path, num_trials=3).run(lambda jobs, number: [Outcome(next(kinds))]))
    assert [trial.state.name for trial in trials(tmp_path)] == ["FAIL", "PRUNED", "RUNNING"]
    assert len(run(search(tmp_path, num_trials=3))) == 1
    assert [trial.state.name for trial in trials(tmp_path)] == ["FAIL", "PRUNED", "COMPLETE"]


def test_a_second_start_of_one_search_is_refused(tmp_path: Path) -> None:
    def launch(jobs: Sequence[list[str]], number: int) -> list[Outcome]:
        with pytest.raises(RunError, match="the search study is running elsewhere"):
            run(search(tmp_path))
        return [Outcome("done", validation={"macro_f1": 1.0})]

    assert len(list(search(tmp_path, num_trials=1).run(launch))) == 1


def test_a_line_that_was_cut_off_in_writing_is_taken_away(tmp_path: Path) -> None:
    run(search(tmp_path, num_trials=3))
    with open(tmp_path / "search.journal", "ab") as stream:
        stream.write(b'{"op_code": 4, "wor')
    assert len(run(search(tmp_path, num_trials=5))) == 2
    assert len(trials(tmp_path)) == 5


def test_a_search_cannot_go_on_with_other_ranges(tmp_path: Path) -> None:
    run(search(tmp_path, num_trials=1))
    other = (SPACE[0], "encoder.hidden_size=range(2,9)", SPACE[2])
    with pytest.raises(SearchError, match=r"begun with other ranges for encoder\.hidden_size"):
        run(search(tmp_path, other))


@pytest.mark.parametrize(
    ("metric", "direction", "monitor", "expected"),
    [
        (None, None, "macro_f1", ("validation/macro_f1", "MAXIMIZE")),
        (None, None, "loss", ("validation/loss", "MINIMIZE")),
        (None, "maximize", "loss", ("validation/loss", "MAXIMIZE")),
        ("validation/loss", None, "macro_f1", ("validation/loss", "MINIMIZE")),
        ("validation/accuracy", None, "loss", ("validation/accuracy", "MAXIMIZE")),
    ],
)
def test_a_search_follows_the_selection_metric_unless_it_names_another(
    metric: str | None, direction: str | None, monitor: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    import optuna

    asked: list[list[str]] = []

    def monitor_of(job: list[str]) -> str:
        asked.append(job)
        return monitor

    one = search(tmp_path, num_trials=1, metric=metric, direction=direction, monitor=monitor_of)
    values = {"macro_f1": 0.1, "loss": 0.2, "accuracy": 0.3}
    list(one.run(lambda jobs, number: [Outcome("done", validation=values)]))
    study = optuna.load_study(study_name="study", storage=open_storage(str(tmp_path / "search.journal")))
    assert (one.metric, study.direction.name) == expected
    assert study.trials[0].value == values[expected[0].removeprefix("validation/")]
    assert asked == ([] if metric else [["optimizer.lr=0.0001", "encoder.hidden_size=2", "encoder=lstm"]])


def test_a_search_does_not_go_on_with_another_metric_or_direction(tmp_path: Path) -> None:
    run(search(tmp_path, num_trials=1, metric=None, direction=None))
    sentence = r"begun with hydra\.sweeper\.metric=validation/macro_f1, not validation/loss\. Give that one"
    for metric in (None, "validation/loss"):
        with pytest.raises(SearchError, match=sentence):
            run(search(tmp_path, metric=metric, direction=None, monitor=lambda job: "loss"))
    with pytest.raises(SearchError, match=r"begun with hydra\.sweeper\.direction=maximize, not minimize\."):
        run(search(tmp_path, direction="minimize"))
    assert len(run(search(tmp_path, num_trials=2))) == 1


def test_a_search_of_before_it_noted_its_metric_goes_on_with_macro_f1(tmp_path: Path) -> None:
    """Whatever the monitor of its runs was, which it did not follow."""
    import optuna

    storage = open_storage(str(tmp_path / "search.journal"))
    study = optuna.create_study(study_name="study", storage=storage, direction="maximize")
    study.tell(study.ask(search(tmp_path).space), 0.5)
    for num_trials in (2, 3):
        one = search(tmp_path, num_trials=num_trials, metric=None, direction=None, monitor=lambda job: "loss")
        run(one)
        assert one.metric == "validation/macro_f1"
        assert len(trials(tmp_path)) == num_trials


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"metric": "test/accuracy"}, "a search looks at validation/… only, never at the test"),
        ({"sampler": "best"}, r"sampler=best: must be one of tpe, random"),
        ({"pruner": "all"}, r"pruner=all: must be one of none, median, hyperband"),
        ({"direction": "up"}, "must be maximize or minimize"),
        ({"space": ()}, "there is nothing to search"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_a_sentence(
    settings: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        search(tmp_path, **settings)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a=int(interval(1,5))", ("IntDistribution", 1, 5)),
        ("a=interval(0.1,5)", ("FloatDistribution", 0.1, 5.0)),
        ("a=range(2,9)", ("IntDistribution", 2, 8)),
        ("a=range(2,9,3)", ("IntDistribution", 2, 8)),
        ("a=range(0,1,0.25)", ("FloatDistribution", 0.0, 0.75)),
        ("a=tag(log,range(1,9))", ("IntDistribution", 1, 8)),
    ],
)
def test_hydras_ranges_become_optunas(override: str, expected: tuple[str, float, float]) -> None:
    (parsed,) = OverridesParser.create().parse_overrides([override])
    found: Any = distribution_of(parsed)
    assert (type(found).__name__, found.low, found.high) == expected
    assert found.log == ("log" in override)


def test_hydras_choices_become_optunas() -> None:
    (parsed,) = OverridesParser.create().parse_overrides(["a=choice(lstm,3,'x y',[1,2])"])
    found: Any = distribution_of(parsed)
    assert list(found.choices) == ["lstm", "3", r"x\ y", "[1,2]"]
