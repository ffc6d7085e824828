"""What a run's page says before its numbers."""

from gatelab.reports.analysis.curves import Learning
from gatelab.reports.pages.run_answer import cautions
from gatelab.runs.record import RunRecord


def test_a_run_that_resumed_under_other_conditions_says_so_on_its_page() -> None:
    record = RunRecord(changed_conditions=["threads 2 → 1", "torch 2.8 → 2.9"])
    found = cautions(record, {}, 0, Learning())
    assert found == [f"It was resumed under other conditions than before: {change}." for change in ("threads 2 → 1", "torch 2.8 → 2.9")]  # fmt: skip
    assert cautions(RunRecord(), {}, 0, Learning()) == []
