from pathlib import Path

import pytest

from gatelab.runs.difference import differences
from gatelab.runs.folder import RunFolder

HEADER = "file,line,tokens,label,prediction\n"


@pytest.mark.parametrize(
    ("recorded", "now", "found"),
    [
        (None, None, []),
        (HEADER, None, ["predictions.csv: only the recorded run has it"]),
        (None, HEADER, ["predictions.csv: only the new run has it"]),
        (
            HEADER + "a,2,5,x,x\n",
            HEADER + "a,2,5,x,y\n",
            ["predictions.csv: line 2 (a line 2), prediction: recorded x, now y"],
        ),
    ],
)
def test_predictions_that_neither_run_has_are_no_difference(
    recorded: str | None, now: str | None, found: list[str], tmp_path: Path
) -> None:
    for name, content in (("recorded", recorded), ("now", now)):
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "predictions.csv").write_text(content)
    assert differences(RunFolder(tmp_path / "recorded"), RunFolder(tmp_path / "now")) == found
