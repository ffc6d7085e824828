"""Nothing that stands in data, names or records is obeyed by a terminal: every attempt looks at all that is printed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from attack import WORKS, gatelab, show_a_bar

Attack = Callable[..., Any]
RUN = Path(__file__).parents[1] / "runs" / "made_before" / "old" / "efe8cbbc26"
ESCAPES = {
    "a colour": "\x1b[31mred",
    "a title": "\x1b]0;owned\x07",
    "the clipboard": "\x1b]52;c;aGk=\x07",
    "an erased screen": "\x1b[2J\x1b[H",
    "a control of eight bits": "\x9b2J",
    "backspaces": "good\b\b\b\bevil",
    "a carriage return": "error: x\rdone",
    "a direction": "\u202egnp.exe",
    "isolated directions": "\u2066a\u2069\u200f",
    "markup": "[/] [bold red]x[/nowhere]",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_a_table_is_described_as_text(name: str, tmp_path: Path, attack: Attack) -> None:
    text = ESCAPES[name]
    file = tmp_path / f"t{text.replace('/', '')}.csv"
    rows = "".join(f'"a word {n} {text}","{text}{n % 2}"\n' for n in range(30))
    file.write_text(f'"text","label","{text}"\n' + rows.replace("\n", ",x\n"), encoding="utf-8")
    attack(WORKS, gatelab, "data", file.name)
    attack("nowhere|no such|There are", gatelab, "data", file.name, "--label", f"nowhere{text}")


@pytest.mark.parametrize("name", ESCAPES)
def test_a_record_is_shown_as_text(name: str, tmp_path: Path, attack: Attack) -> None:
    folder = tmp_path / "outputs" / "x" / RUN.name
    shutil.copytree(RUN, folder)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    text = ESCAPES[name]
    record |= {"status": text, "name": text, "monitor": text, "lacks": [text], "symptoms": [text], "error": text}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    attack(WORKS, gatelab, "runs")


@pytest.mark.parametrize("asked", [["--help"], ["--cfg", "job"], ["--cf=job"], ["-cjob"]])
def test_what_hydra_prints_of_an_experiment_is_text(asked: list[str], tmp_path: Path, attack: Attack) -> None:
    (tmp_path / "experiments").mkdir()
    experiment = {"experiment": {f"note{number}": text for number, text in enumerate(ESCAPES.values())}}
    text = yaml.safe_dump(experiment, allow_unicode=True) + "name: 'x\u202ey'\n"
    (tmp_path / "experiments" / "x.yaml").write_text(text, encoding="utf-8")
    attack(WORKS, gatelab, "train", "experiments=x", *asked)


@pytest.mark.parametrize("name", ESCAPES)
def test_a_bar_and_a_warning_are_shown_as_text(name: str, attack: Attack) -> None:
    attack(WORKS, show_a_bar, ESCAPES[name])
