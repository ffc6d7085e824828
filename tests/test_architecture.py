"""The rooms of the house: who may import whom, and that a module's name is found once."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import gatelab

SOURCE = Path(gatelab.__file__).parent
LEAVES = {"annotations", "bounded", "digest", "errors", "files", "screen"}
# Of each room those that it may import. In brackets of a comment: what is not below it, and why.
MAY_IMPORT: dict[str, set[str]] = {
    "__main__": {"cli"},
    "api": {"commands", "reports", "training", "tasks", "data", "runs", "config", *LEAVES},
    "cli": {"commands", "data", "reports", "runs", *LEAVES},
    "commands": {"sweeps", "reports", "training", "tasks", "recurrent", "data", "runs", "config", *LEAVES},
    "reports": {"runs", "config", *LEAVES},
    "training": {
        "tasks",
        "trackers",
        "runs",
        "config",
        *LEAVES,
        "sweeps",
        "reports",
    },  # (pruning; the page at a run's end)
    "sweeps": {"runs", *LEAVES},
    "tasks": {"recurrent", "data", "runs", "config", *LEAVES},
    "trackers": {"runs", "config", *LEAVES},
    "runs": {"config", *LEAVES, "trackers"},  # (the point that both metrics.csv and trackers get)
    "config": {*LEAVES, "recurrent", "trackers"},  # (what a cell is; what a tracker is)
    "data": LEAVES,
    "recurrent": LEAVES,
    "screen": {"errors", "runs"},  # (secrets)
    "annotations": set(),
    "bounded": set(),
    "digest": {"bounded", "errors", "files"},
    "errors": set(),
    "files": set(),
    "__init__": {"api", "recurrent", "errors"},
}
MODULES = [file for file in SOURCE.rglob("*.py") if not file.is_relative_to(SOURCE / "conf")]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_point_down(file: Path) -> None:
    room = file.relative_to(SOURCE).with_suffix("").parts[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("gatelab."):
                assert name.split(".")[1] in {room, *MAY_IMPORT[room]}, name


def test_no_two_modules_have_one_name() -> None:
    counts = Counter(file.name for file in MODULES if file.name != "__init__.py")
    assert [name for name, count in counts.items() if count > 1] == []


def test_reports_and_run_folders_are_read_without_lightning_and_torch() -> None:
    code = "import sys, gatelab.reports.pages.run_page, gatelab.reports.terminal.run_list, gatelab.runs.load; print({*sys.modules} & {'torch', 'pytorch_lightning'})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
