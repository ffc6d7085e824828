"""The page on two runs: what differs, against the folders as they were written."""

import re
from pathlib import Path

import pytest
from run_folders import Folders, gated, write_curves, write_rows, write_texts
from served import ask, serving


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path / "outputs")
    versions = [{"torch": "2.13.0"}, {"torch": "2.14.0"}]
    for number, settings in enumerate(({}, gated(hidden_size=64))):
        run = folders.write(
            1, 0.75 + number / 100, settings={**settings, "output_dir": f"elsewhere{number}"}, versions=versions[number],
            choices={"encoder": ["lstm", "gated"][number]}, git={"commit": "ab"[number] * 40, "dirty": False},
        )  # fmt: skip
        write_curves(run, {"validation/macro_f1": [0.5, 0.6 + number / 10], "validation/loss": [1.0, 0.5]})
        write_rows(run, {2: ("pos", "pos"), 3: ("neg", ["pos", "neg"][number]), 4: ("pos", ["pos", "neg"][number]), 5: ("neg", ["pos", "neg"][number])})  # fmt: skip
    write_texts(run, {3: "a dull film"})
    folders.write(2, 0.7)
    return folders


def table(body: str, name: str) -> list[list[str]]:
    found = re.search(rf'<table class="sortable" data-name="{name}".*?</table>', body, re.DOTALL)
    assert found, name
    rows = re.findall(r"<tr>(.*?)</tr>", found[0].partition("<tbody>")[2], re.DOTALL)
    return [
        [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)] for row in rows
    ]


def test_what_differs_between_two_runs_stands_side_by_side(folders: Folders) -> None:
    with serving(folders.output_dir) as port:
        answer = ask(port, "/difference?run=sweep/0000000001&run=sweep/0000000002")
    body = answer.body
    assert answer.status == 200
    assert "<h1>sweep/0000000001 0.7500 and sweep/0000000002 0.7600 macro-F1</h1>" in body
    settings = {row[0]: row[1:] for row in table(body, "Settings that differ")}
    assert settings["encoder"] == ["lstm", "gated"]
    assert settings["encoder.hidden_size"] == ["128", "64"]
    assert not {"output_dir", "optimizer.lr", "seed"} & settings.keys()
    conditions = {row[0]: row[1:] for row in table(body, "Conditions that differ")}
    assert conditions == {"git.commit": ["a" * 12, "b" * 12], "version of torch": ["2.13.0", "2.14.0"]}
    numbers = {row[0]: row[1:] for row in table(body, "Of the test, and the best of the validation")}
    assert numbers["macro-F1"] == ["0.7500", "0.7600", "+0.0100"]
    assert (
        "Of 4 test rows that both tested, <bdi>sweep/0000000001</bdi> alone is right on 1, and <bdi>sweep/0000000002</bdi> alone on 2."
        in body
    )
    disputed = table(body, "Disputed rows")
    assert [(row[0], row[-1]) for row in disputed] == [("a dull film", "3"), ("not kept", "4"), ("not kept", "5")]
    chart = re.search(r"<figcaption>Validation macro-F1</figcaption>.*?</figure>", body, re.DOTALL)
    assert chart
    assert len(re.findall(r'<polyline class="line', chart[0])) == 2


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("run=sweep/0000000001", 400, "of two runs, not of 1."),
        ("name=sweep", 400, "not of 3."),
        ("", 400, "not of 0."),
        ("run=sweep/0000000001&run=nowhere/1", 404, "nowhere/1: there is no such run or name any more."),
    ],
)
def test_another_number_of_runs_is_a_sentence(query: str, status: int, words: str, folders: Folders) -> None:
    with serving(folders.output_dir) as port:
        answer = ask(port, f"/difference?{query}")
    assert (answer.status, words in answer.body) == (status, True)


def test_rows_that_cannot_be_read_and_equal_runs_are_said_to_be_so(folders: Folders) -> None:
    first = next(folders.output_dir.glob("*/0000000001"))
    (first / "predictions.csv").write_text("file,line,label,prediction\nreviews.csv,2", encoding="utf-8")
    folders.write(1, 0.7, name="twin", identity="0000000009")
    folders.write(1, 0.7, name="other twin", identity="0000000009")
    with serving(folders.output_dir) as port:
        body = ask(port, "/difference?run=sweep/0000000001&run=sweep/0000000002").body
        assert "The rows that they disagree on cannot be shown" in body
        body = ask(port, "/difference?run=twin/0000000009&run=other%20twin/0000000009").body
        assert "No setting that can change a result differs." in body
        assert "Data, code, versions and machine are the same." in body
