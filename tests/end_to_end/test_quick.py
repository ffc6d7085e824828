"""The quick mode of a shipped experiment, from its command to the verdicts on its page."""

from pathlib import Path

from commands import gatelab

SMALL = ["data.num_sequences=32", "data.num_validation=16", "data.num_test=16", "encoder=lstm,rnn", "seed=1"]


def test_quick_runs_end_in_verdicts_that_are_marked_as_quick(tmp_path: Path) -> None:
    output = gatelab("train", "experiments=reber", "+quick=true", *SMALL, cwd=tmp_path)
    assert "2 runs: 2 done" in output
    page = (tmp_path / "outputs" / "reber_quick" / "report.html").read_text(encoding="utf-8")
    assert "<h1>Quick runs: 0 of 4 claims reproduced" in page
    assert "0 of 1, 95 % interval 0% to 79%" in page
    assert "their numbers answer nothing" in page
    assert "began without these criteria" not in page  # the runs have them from their experiment
