"""The commands as a user gives them, each in a process of its own."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from filelock import FileLock


def gatelab(*arguments: str, cwd: Path, code: int = 0, **environment: str) -> str:
    """Run the command; returns what it printed, on either stream, after checking its exit code.

    environment: variables that no import reads.
    """
    with Started(*arguments, cwd=cwd, before=partial(set_variables, environment)) as process:
        process.wait(240)
    output, errors = process.output(), process.errors()
    assert process.returncode == code, output + errors
    assert "Traceback" not in errors or code == 1, errors
    return output + errors


def set_variables(environment: dict[str, str]) -> None:
    os.environ.update(environment)


class Started:
    """A command at work in a process of its own: of ``subprocess.Popen`` what the tests use.

    It is forked from a process that has all imports, so that a test waits for what the command does and not for torch.
    """

    def __init__(self, *arguments: str, cwd: Path, before: Callable[[], Any] | None = None) -> None:
        """before: called in the new process, before the command."""
        self._files = tempfile.NamedTemporaryFile(), tempfile.NamedTemporaryFile()  # noqa: SIM115
        names = [file.name for file in self._files]
        self._process = forking().Process(target=run, args=(arguments, str(cwd), *names, before))
        self._process.start()
        self.pid: int = self._process.pid
        self.terminate, self.kill = self._process.terminate, self._process.kill

    def __enter__(self) -> "Started":
        return self

    def __exit__(self, *problem: Any) -> None:
        self.wait(240 if problem[0] is None else 0)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait_for(self, seconds: float) -> None:
        """Until it has ended, or for so long."""
        self._process.join(seconds)

    def wait(self, seconds: float) -> None:
        """Until it has ended; one that needs longer is killed."""
        self.wait_for(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def end(self, seconds: float = 240) -> str:
        """What it has printed on either stream once it has ended."""
        self.wait(seconds)
        return self.output() + self.errors()

    def output(self) -> str:
        return Path(self._files[0].name).read_text(encoding="utf-8")

    def errors(self) -> str:
        return Path(self._files[1].name).read_text(encoding="utf-8")


def forking() -> Any:
    """Where processes are forked from one that has run preloaded.py, which it finds by PYTHONPATH alone."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    with mock.patch.dict(os.environ, PYTHONPATH=path):
        forkserver.ensure_running()
    return context


def run(
    arguments: tuple[str, ...], cwd: str, output: str, errors: str, before: Callable[[], Any] | None = None
) -> None:
    assert "preloaded" in sys.modules  # which the server would do without, and each test wait for the imports
    for stream, file in ((1, output), (2, errors)):
        os.dup2(os.open(file, os.O_WRONLY), stream)
    sys.stdout, sys.stderr = (open(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))  # noqa: SIM115
    os.chdir(cwd)
    sys.argv = ["gatelab", *arguments]
    if before is not None:
        before()
    from gatelab.cli import main

    main()


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Path:
    """A folder that make has filled, once for all workers of the tests."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not folder.exists():
            folder.mkdir()
            make(folder)
    return folder


def the_run(folder: Path) -> Path:
    (run,) = folder.glob("outputs/*/*/run.json")
    return run.parent
