"""The commands as a user gives them, each in a process of its own."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# Loaded once, in a process from which the commands are forked: the imports take longer than most commands here.
PRELOADED = [
    "gatelab.cli", "gatelab.train", "gatelab.fit", "gatelab.record", "gatelab.reports.page", "gatelab.learning.build", "gatelab.learning.baseline", "gatelab.runs.checkpoint",
    "gatelab.data.prepare", "sklearn.feature_extraction.text", "sklearn.linear_model",
]  # fmt: skip


def gatelab(*arguments: str, cwd: Path, code: int = 0, **environment: str) -> str:
    """Run the command; returns what it printed, on either stream, after checking its exit code.

    With environment variables it is started from the beginning, since some are read by imports.
    """
    returned: int | None
    if environment:
        command = [sys.executable, "-m", "gatelab.cli", *arguments]
        env = {**os.environ, **environment}
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=240)
        returned, output, errors = done.returncode, done.stdout, done.stderr
    else:
        returned, output, errors = run_forked(arguments, cwd)
    assert returned == code, output + errors
    assert "Traceback" not in errors or code == 1, errors
    return output + errors


def run_forked(arguments: tuple[str, ...], cwd: Path) -> tuple[int | None, str, str]:
    with tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as errors:
        process = forking().Process(target=run, args=(arguments, str(cwd), output.name, errors.name))
        process.start()
        process.join(240)
        if process.is_alive():
            process.kill()
            process.join()
        texts = (Path(file.name).read_text(encoding="utf-8") for file in (output, errors))
        return process.exitcode, *texts


def forking() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def run(arguments: tuple[str, ...], cwd: str, output: str, errors: str) -> None:
    for stream, file in ((1, output), (2, errors)):
        os.dup2(os.open(file, os.O_WRONLY), stream)
    sys.stdout, sys.stderr = (open(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))  # noqa: SIM115
    os.chdir(cwd)
    sys.argv = ["gatelab", *arguments]
    from gatelab.cli import main

    main()


def the_run(folder: Path) -> Path:
    (run,) = folder.glob("outputs/*/*/run.json")
    return run.parent
