"""Run folders that the code before runs/record.py made, with a class in a place that it has since left: all commands open them."""

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gatelab.cli import app
from gatelab.config.identity import at_home, identity_of
from gatelab.reports.server.site import Site
from gatelab.runs.folder import all_runs

MADE = Path(__file__).with_name("made_before")
FINISHED, FAILED, TRIAL = "efe8cbbc26", "ce88cb44d9", "9b23a75ea5"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    shutil.copytree(MADE, tmp_path / "outputs")
    return tmp_path / "outputs"


def run(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def test_runs_lists_each_with_its_status(outputs: Path) -> None:
    listed = run("runs", "--output-dir", outputs)
    for identity, status in ((FINISHED, "finished"), (FAILED, "failed"), (TRIAL, "finished")):
        (line,) = [line for line in listed.splitlines() if identity in line]
        assert status in line


def test_they_are_compared(outputs: Path) -> None:
    compared = run("compare", "old", "old_search", "--by", "optimizer", "--output-dir", outputs)
    rows = [line.split()[:2] for line in compared.splitlines()]
    assert ["adam", "1"] in rows
    assert ["sgd", "lr=1e38"] in rows


@pytest.mark.parametrize("what", [FINISHED, FAILED, TRIAL, "old", "old_search"])
def test_each_and_each_name_gets_its_page(what: str, outputs: Path) -> None:
    written = run("report", what, "--output-dir", outputs)
    assert "report.html" in written


def test_the_pages_of_the_server_show_them(outputs: Path) -> None:
    from werkzeug.test import Client

    page = Client(Site(outputs, 8000, "token")).get("/?token=token", base_url="http://127.0.0.1:8000").text
    assert all(identity in page for identity in (FINISHED, FAILED, TRIAL))


@pytest.mark.parametrize("identity", [FINISHED, TRIAL])
def test_their_models_still_predict(identity: str, outputs: Path) -> None:
    assert "positive" in run("predict", identity, "a wonderful film", "--output-dir", outputs)


@pytest.mark.parametrize("identity", [FINISHED, FAILED, TRIAL])
def test_the_same_config_has_the_same_identity(identity: str) -> None:
    (folder,) = [folder for folder in all_runs(MADE) if folder.path.name == identity]
    config = yaml.safe_load(folder.config.read_text(encoding="utf-8"))
    data = folder.record.data
    assert data is not None
    assert config != at_home(config)
    assert identity_of(at_home(config), data.sha256) == identity
