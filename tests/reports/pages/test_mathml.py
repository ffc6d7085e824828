"""The equations of a cell on a page: as MathML that says what the text says, and with nothing foreign in it."""

import html
import json
import re
from pathlib import Path

import pytest

from gatelab.errors import RunError
from gatelab.recurrent.cells import LSTM
from gatelab.recurrent.formula import formula
from gatelab.recurrent.notation import text
from gatelab.reports.pages.mathml import mathml
from gatelab.runs.cell_equations import read_equations

SETTINGS = [{}, {"peepholes": True}, {"gate_recurrence": True}, {"coupled": "forget", "coupling_shift": 1.5}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_leaves_in_their_order_are_those_of_the_text(settings: dict[str, bool]) -> None:
    for tree in formula(LSTM(**settings)):  # type: ignore[arg-type]
        page = re.sub(r"<mover.*?<mi>(.)</mi>.*?</mover>", "\\1\u0303", mathml(tree))
        shown = html.unescape(re.sub("<[^>]*>", "", page))
        assert shown == re.sub(r"[ _{}]", "", text(tree).replace(", ", ","))


def test_a_fraction_an_index_and_an_accent_have_their_elements() -> None:
    shown = mathml(formula(LSTM(candidate_activation="tanh_1997"))[2])
    assert '<mover accent="true"><mi>c</mi><mo stretchy="false">~</mo></mover>' in shown
    assert "<mfrac><mrow><mrow><msub><mi>W</mi><mrow><mi>c</mi></mrow></msub>" in shown
    assert "<mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow>" in shown


def test_what_stands_in_a_leaf_is_text() -> None:
    shown = mathml(["row", ["symbol", "<script>", "", ["\u202e"]], "</math>", ["number", "<img src=x>"]])
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("</math>") == 1
    assert "⟨U+202E⟩" in shown


@pytest.mark.parametrize(
    "tree",
    [
        None,
        "c",
        [],
        [["row"]],
        ["row"],
        ["script", "x"],
        ["number", 1],
        ["number", "1", "2"],
        ["symbol", "c", "tilde"],
        ["symbol", "c", "<b>", []],
        ["symbol", "c", "", [1]],
        ["fraction", ["number", "1"]],
        ["bracket", "+"],
        ["call", "σ"],
    ],
)
def test_a_file_with_another_tree_is_refused(tree: object, tmp_path: Path) -> None:
    file = tmp_path / "equations.json"
    left, good = ["symbol", "h", "", ["t"]], ["number", "1"]
    for right in (tree, ["fraction", good, tree]):
        file.write_text(json.dumps([{"text": "", "latex": "", "tree": ["row", left, "=", right]}]))
        with pytest.raises(RunError, match=r"equations.json: holds no equations. Remove it"):
            read_equations(file)


def test_a_tree_may_not_be_deeper_than_a_page_can_draw(tmp_path: Path) -> None:
    tree: list[object] = ["number", "1"]
    for _ in range(100):
        tree = ["bracket", tree]
    (tmp_path / "equations.json").write_text(json.dumps([{"text": "", "latex": "", "tree": ["row", tree, "=", tree]}]))
    with pytest.raises(RunError, match="holds no equations"):
        read_equations(tmp_path / "equations.json")
