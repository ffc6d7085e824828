"""Texts that begin with a dash, both spellings of the root of the run folders, and messages that name the options of a command."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from gatelab.cli import app as gatelab
from gatelab.commands.arguments import TextCommand, with_options
from gatelab.commands.train import roots_as_overrides
from gatelab.errors import ConfigError

app = typer.Typer()


@app.command(cls=TextCommand)
def command(
    texts: list[str],
    csv: Annotated[Path | None, typer.Option("--csv", "-c")] = None,
    keep: Annotated[bool, typer.Option("--keep")] = False,
    header: Annotated[bool | None, typer.Option("--header/--no-header")] = None,
) -> None:
    print(texts, csv, keep, header)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["3f9c", "-5 stars", "good", "-_-"], (["3f9c", "-5 stars", "good", "-_-"], None, False, None)),
        (["-great", "--keep", "--a b", "-- c"], (["-great", "--a b", "-- c"], None, True, None)),
        (["a", "--no-header", "-1", "--csv", "-1 b", "-"], (["a", "-1", "-"], "-1 b", False, False)),
        (["--csv=-x y=z", "-k -h", "-c", "-"], (["-k -h"], "-", False, None)),
        (["a", "--", "--csv", "-h", "--"], (["a", "--csv", "-h", "--"], None, False, None)),
    ],
)
def test_an_argument_with_a_dash_that_can_be_no_option_is_a_text(
    arguments: list[str], expected: tuple[list[str], str | None, bool, bool | None]
) -> None:
    assert CliRunner().invoke(app, arguments).output == " ".join(map(str, expected)) + "\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [(["a", "--kep"], "No such option: --kep"), (["a", "-x"], "No such option: -x"), (["a", "--csv"], "--csv needs a value")],
)  # fmt: skip
def test_a_misspelt_option_is_no_text(arguments: list[str], problem: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, problem in done.output) == (2, True)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Name one, data.text=title, or join: data.text=[title,\"a b\"].", "Name one, --text title, or join: --text title --text \"a b\"."),
        ("a.csv: no such file (looked from b). Check data.path.", "a.csv: no such file (looked from b)."),
        ("try data.encoding=utf-16-le.", "try --encoding utf-16-le."),
        ("Leave data.encoding= out; data.header=true or data.header=false", "Leave --encoding out; --header or --no-header"),
        ("'data.label=\"a b\"', or model=multi_label 'data.label=[a,b]'", '--label "a b", or --model multi_label --label a --label b'),
        ("data.label=['a', 'b']: names 2 columns", "--label 'a' --label 'b': names 2 columns"),
        ("data.columns=[label,text] names them", "--columns label,text names them"),
        ("data.labels=[a,b] and data.split.by=group are of training", "data.labels=[a,b] and data.split.by=group are of training"),
    ],
)  # fmt: skip
def test_a_message_names_the_options_in_place_of_the_keys(message: str, expected: str) -> None:
    assert with_options(message) == expected


@pytest.mark.parametrize("given", [["--output-dir", "my runs"], ["output_dir=my runs"], ["output_dir='my runs'"]])
def test_every_command_takes_both_spellings_of_the_root(given: list[str]) -> None:
    for words in (["show", "latest"], ["runs"], ["predict", "3f9c", "a text"], ["reproduce", "3f9c"], ["ui"]):
        done = CliRunner().invoke(gatelab, [*words, *given])
        assert "my runs" in done.output.replace("\n", " "), (words, done.output)


def test_training_takes_them_too_and_what_stands_behind_two_dashes_is_a_text() -> None:
    assert roots_as_overrides(["seed=1", "--output-dir", "a b", "-m"]) == ["seed=1", 'output_dir="a b"', "-m"]
    assert roots_as_overrides(["--output-dir=/x/y"]) == ["output_dir=/x/y"]
    with pytest.raises(ConfigError, match="--output-dir needs a folder"):
        roots_as_overrides(["--output-dir"])
    done = CliRunner().invoke(gatelab, ["predict", "3f9c", "--", "output_dir=x"])
    assert "3f9c: no such run in outputs" in done.output
