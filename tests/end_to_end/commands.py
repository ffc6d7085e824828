"""The commands as a user gives them."""

import os
import subprocess
import sys
from pathlib import Path


def gatelab(*arguments: str, cwd: Path, code: int = 0, **environment: str) -> str:
    """Run the command; returns what it printed, on either stream, after checking its exit code."""
    command = [sys.executable, "-m", "gatelab.cli", *arguments]
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr or code == 1, done.stderr
    return done.stdout + done.stderr


def the_run(folder: Path) -> Path:
    (run,) = folder.glob("outputs/*/*/run.json")
    return run.parent
