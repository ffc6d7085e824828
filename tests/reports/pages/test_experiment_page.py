"""The claims of an experiment on its page and in its result file, from run folders written by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
from page_tables import Tables
from run_folders import Folders

from gatelab.reports.analysis.arms import group_arms
from gatelab.reports.analysis.claims import judge_all
from gatelab.reports.analysis.statement import statement_of
from gatelab.reports.pages.sweep_page import write_sweep
from gatelab.runs.folder import all_runs
from gatelab.runs.load import load_runs

ADDING = {"data.success": 0.95, "data.length": 100, "data._target_": "gatelab.tasks.synthetic.adding.Adding"}
CLAIMS = [
    {"where": {"encoder": "lstm"}, "at_least": 0.5, "source": "a paper"},
    {"where": {"encoder": "rnn"}, "at_least": 0.5},
    {"better": {"encoder": "lstm"}, "worse": {"encoder": "rnn"}, "metric": "sequences_seen"},
    {"where": {"encoder": "gru"}, "at_least": 0.5},
]
STATED = {"experiment.question": "Does it add?", "experiment.claim": "It adds.", "experiment.claims": CLAIMS}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def write_runs(folders: Folders, stated: dict[str, Any] = STATED, name: str = "adding_here") -> None:
    """An LSTM that solves four of five runs, one of which failed; a plain network that solves one of five."""
    for encoder, seen in {"lstm": [3200, 6400, 6400, None, 12800], "rnn": [None, None, None, 64000, None]}.items():
        for seed, number in enumerate(seen, 1):
            failed = encoder == "lstm" and number is None
            solved = {"sequences_seen": number} if number else {}
            metrics: dict[str, Any] = (
                {} if failed else {"metrics": {"sequences_right": 0.97 if number else 0.07, "mse": 0.1, **solved}}
            )
            settings = {**ADDING, **stated, "encoder._target_": f"gatelab.recurrent.{encoder.upper()}Encoder"}
            folders.write(
                seed, name=name, settings=settings, choices={"encoder": encoder, "data": "adding"}, status="failed" if failed else "finished",
                monitor="loss", seconds=60.0, resources={"cpu_seconds": 1800.0}, **metrics,
            )  # fmt: skip


def page_of(folders: Folders, name: str = "adding_here") -> str:
    return write_sweep(all_runs(folders.output_dir, name))[0].read_text(encoding="utf-8")


def test_each_claim_stands_with_what_was_found_and_its_verdict(folders: Folders) -> None:
    write_runs(folders)
    page = page_of(folders)
    tables = Tables(page).rows
    rows = tables["What was claimed, and what the runs say"]
    assert rows[1] == ["cannot tell", "encoder=lstm: at least 50% of the runs solve it", "4 of 5, 95 % interval 38% to 96%", "a paper"]  # fmt: skip
    assert rows[2][0] == "not reproduced"  # one of five, whose interval reaches 0.62
    # Of 25 pairs the LSTM is better in 20 and, where neither solves it, equal in 4: 22 of 25.
    assert rows[3][2].startswith("better with probability 0.88, p = ")
    assert rows[4] == ["cannot tell", "encoder=gru: at least 50% of the runs solve it", "no runs with encoder=gru", ""]
    assert "Does it add?" in page
    assert "Claimed: It adds." in page
    assert rows[3][0] == "reproduced"
    assert "1 of 4 claims reproduced, 1 not reproduced, 2 undecided" in page


def test_what_runs_do_not_record_is_undecided_and_a_number_that_is_not_finite_the_worst(folders: Folders) -> None:
    claims: list[dict[str, Any]] = [
        {"where": {"encoder": "gru"}, "at_least": 0.5},
        {"where": {"encoder": "gru"}, "at_most": 0.5, "metric": "acuracy", "threshold": 0.8},
        {"where": {"encoder": "gru"}, "at_least": 0.5, "metric": "accuracy", "threshold": 0.8},
        {"where": {"encoder": "lstm"}, "at_most": 0.9, "metric": "loss", "threshold": 1.0},
        {"better": {"encoder": "gru"}, "worse": {"encoder": "lstm"}, "metric": "loss"},
    ]
    for encoder, losses in {"gru": [0.5, math.nan, 0.7, 0.8], "lstm": [0.9, math.inf, 1.1]}.items():
        for seed, loss in enumerate(losses, 1):
            folders.write(
                seed, settings={"experiment.claims": claims, "encoder._target_": encoder}, choices={"encoder": encoder},
                metrics={"accuracy": 0.9, "loss": loss},
            )  # fmt: skip
    runs = load_runs(all_runs(folders.output_dir))
    judged = judge_all(statement_of(runs).experiment, group_arms(runs).arms)
    assert [(one.verdict, one.found) for one in judged[:3]] == [
        ("cannot tell", "their task does not say when it is solved: give metric and threshold"),
        ("cannot tell", "no finished run has acuracy"),
        ("reproduced", "4 of 4, 95 % interval 51% to 100%"),
    ]
    assert judged[3].found.startswith("1 of 3")
    # Of 12 pairs it is better in 3 × 3, and equal where neither loss is finite.
    assert judged[4].found.startswith(f"better with probability {9.5 / 12:.2f}")


def test_runs_that_solve_their_task_are_counted_and_never_told_by_a_mean(folders: Folders) -> None:
    write_runs(folders)
    page = page_of(folders)
    titles, lstm, rnn = Tables(page).rows["Runs that solve the task"]
    assert titles == ["arm", "solved", "95 % interval", "median of sequences seen until right"]
    assert (lstm, rnn) == (["lstm", "4 of 5", "38% to 96%", "6,400"], ["rnn", "1 of 5", "4% to 62%", "not reached"])
    assert "Solved: lstm 4 of 5; rnn 1 of 5. A mean over runs" in page  # as in gatelab compare
    assert page.index("Means over seeds, which describe no run") < page.index('aria-label="sequences right"')
    assert 'class="mean" x1' not in page
    assert "long stroke the mean" not in page
    facts = page[page.index("<h2>Cost</h2>") :]
    assert "9 finished, 1 failed" in facts
    assert "5 h 0 min" in facts


def test_runs_that_began_without_the_criteria_are_told_of(folders: Folders) -> None:
    write_runs(folders, {"experiment.question": "Does it add?"})
    assert "<h2>Claims</h2>" not in page_of(folders)
    assert "began without these criteria" not in page_of(folders)
    write_runs(folders)
    assert "10 of 20 runs began without these criteria in their config" in page_of(folders)


def test_a_damaged_statement_is_a_caution_and_hides_no_run(folders: Folders) -> None:
    write_runs(folders, {"experiment.claims": [{"where": {}, "at_least": "half"}]})
    page = page_of(folders)
    assert "What the experiment states is not shown: experiment.claims[0].at_least=half: input should be" in page
    assert len(Tables(page).rows["All runs"]) == 11


def test_a_key_with_a_dot_among_what_is_stated_hides_no_run(folders: Folders) -> None:
    run = folders.write(1, 0.9)
    run.config.write_text("experiment: {question: Why?, published: [], published.a: 1}\n")
    stated = statement_of(load_runs([run]))
    assert (stated.experiment.question, stated.experiment.published) == ("Why?", [])


def test_a_published_number_is_judged_by_its_arm_and_not_where_several_fit(folders: Folders) -> None:
    number = {
        "metric": "accuracy",
        "value": 0.83,
        "margin": 0.02,
        "reason": "two digits",
        "source": "Ada 1843",
        "table": 2,
    }
    stated = {
        "experiment.published": [{**number, "where": {"encoder": "gru"}}, {**number, "where": {"seed": 1}}, number]
    }
    for encoder in ("gru", "lstm"):
        for seed, accuracy in enumerate([0.831, 0.829, 0.835], 1):
            folders.write(
                seed, accuracy, settings={**stated, "encoder._target_": encoder}, choices={"encoder": encoder}
            )
    page = page_of(folders, "sweep")
    rows = Tables(page).rows["What was claimed, and what the runs say"]
    assert rows[1][0] == "reproduced"
    assert rows[1][1] == "encoder=gru: accuracy 0.83, to within 0.02 (two digits)"
    assert rows[1][2].startswith("0.8317 ± 0.0031 over 3 seeds; difference +0.0017, 95 % interval −0.0059 to 0.0093".replace(" to", "\u00a0to"))  # fmt: skip
    assert rows[1][3] == "Ada 1843, table 2"
    assert rows[2][2] == "no runs with seed=1"  # of an arm, which has all seeds
    assert rows[3][2] == "fits several arms: gru, lstm"
    assert "1 of 3 claims reproduced, 2 undecided" in page
