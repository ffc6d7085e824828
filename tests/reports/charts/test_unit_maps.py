import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gatelab
from gatelab.commands.gates import new_files
from gatelab.errors import RunError
from gatelab.reports.charts.colours import OPENNESS, SIGNED, hexadecimal, palette, scale_of
from gatelab.reports.charts.gate_picture import colour_map, draw_side_by_side
from gatelab.reports.charts.reading import describe_reading
from gatelab.reports.charts.reading_svg import draw_maps, draw_reading
from gatelab.reports.charts.tinted_text import tints_of
from gatelab.reports.charts.unit_maps import unit_maps
from gatelab.runs.folder import RunFolder

GATE = np.array([[0.0, 0.25, 1.0], [0.5, np.nan, 0.75]])  # of two tokens and three units


def reading_arrays(**more: Any) -> dict[str, Any]:
    return {
        "tokens": np.array(["so", "good"]), "unknown": np.zeros(2, bool), "classes": np.array(["no", "yes"]), "answer": np.array("yes"),
        "probabilities": np.array([[0.5, 0.5], [0.2, 0.8]]), "units": np.array([2]), "contributions": np.array([0.5]),
        "learned": np.array(["keep_gate"]), "l0.keep_gate": GATE, "l0.hidden": GATE * 4 - 2, "weights": np.array([0.1, 0.3, 0.2]), **more,
    }  # fmt: skip


def test_a_gate_has_one_colour_for_one_openness_on_page_and_paper_whatever_else_is_in_the_picture() -> None:
    narrow = {"l0.keep_gate": np.full((2, 3), [[0.51], [0.52]])}
    for arrays in (reading_arrays(), reading_arrays(**narrow)):
        reading = describe_reading(arrays)
        (band,) = [cells for _, name, _, cells in draw_reading(reading).bands if name == "keep"]
        means = arrays["l0.keep_gate"].mean(1)
        assert [share for _, share in band] == pytest.approx(means[np.isfinite(means)].tolist(), abs=0.005)
        (image,) = [axes.images[0] for axes in draw_side_by_side([("", reading)]).axes[:4] if axes.images]
        assert (image.norm.vmin, image.norm.vmax) == (0, 1)
    for fraction in (0.0, 0.13, 0.5, 1.0):
        for colours in (OPENNESS, SIGNED):
            drawn = "#" + bytes(round(255 * part) for part in colour_map(colours)(fraction)[:3]).hex()
            assert drawn == hexadecimal(fraction, colours)


def test_the_classes_of_the_style_sheet_are_these_colours() -> None:
    style = (Path(gatelab.__file__).parent / "reports" / "pages" / "assets" / "tints.css").read_text(encoding="utf-8")
    found = dict(re.findall(r"^\.([od]\d+) { background: (#\w+)", style, re.MULTILINE))
    assert found == {
        f"{letter}{step}": hexadecimal(step / 10, colours)
        for letter, colours in (("o", OPENNESS), ("d", SIGNED))
        for step in range(11)
    }


def test_signed_states_are_white_at_zero_and_share_a_scale() -> None:
    for largest, end in ((0.02, 1.0), (1.0, 1.0), (1.1, 2.0), (4.9, 5.0), (7.0, 10.0), (300.0, 500.0)):
        assert scale_of("cell", np.array([-largest, 0.1 * largest])) == (SIGNED, -end, end)
    assert scale_of("keep_gate", np.array([0.0, 1.2]))[0] is SIGNED  # an exponential gate
    assert scale_of("keep_gate", GATE) == (OPENNESS, 0.0, 1.0)


def test_a_map_has_a_pixel_for_each_unit_and_token_in_its_colour_and_nothing_where_there_is_no_number() -> None:
    reading = describe_reading(reading_arrays())
    drawn = next(draw_maps(reading))
    image = Image.open(io.BytesIO(base64.b64decode(drawn.image.partition(",")[2]))).convert("RGBA")
    pixels = np.asarray(image)
    by_weight = [1, 2, 0]
    assert drawn.units == "1,2,0"
    for row, unit in enumerate(by_weight):
        for token in range(2):
            value = GATE[token, unit]
            if np.isnan(value):
                assert pixels[row, token, 3] == 0
            else:
                assert pixels[row, token, :3].tolist() == palette(OPENNESS)[round(value * 100)].tolist()


def test_units_keep_their_place_from_text_to_text_by_weight_or_by_what_they_do() -> None:
    activity = {
        "part": np.array("validation"),
        "l0.hidden": np.array([[0, 0, 0], [0.3, 0.1, 0.2], [0, 0, 0], [0, 0, 0]]),
    }
    for order, units in (("weight", [1, 2, 0]), ("activity", [0, 2, 1]), ("number", [0, 1, 2])):
        for arrays in (reading_arrays(), reading_arrays(**{"l0.keep_gate": GATE[::-1] ** 2})):
            (one,) = unit_maps(arrays, activity, order=order, names=["l0.keep_gate"])  # type: ignore[arg-type]
            assert one.units.tolist() == units
            np.testing.assert_array_equal(one.values, arrays["l0.keep_gate"][:, units])
    (below,) = unit_maps(reading_arrays(**{"l1.hidden": GATE}), activity, names=["l0.keep_gate"])
    assert below.units.tolist() == [0, 2, 1]  # a lower layer has no weight in the decision


def test_words_are_tinted_by_the_probability_of_what_is_predicted_its_change_and_their_gradient() -> None:
    running, change, gradients = tints_of(np.array([0.1, 0.6, np.nan]), "yes", np.array([-2.0, 0.0, 1.0]))
    assert running.classes == ["o1", "o6", ""]
    assert change.classes == ["", "d10", ""]
    assert gradients.classes == ["d0", "d5", "d8"]
    assert (running.title, change.title) == ("probability of yes", "change of the probability of yes")


def test_no_earlier_picture_is_replaced(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first, numbers = new_files([folder], None)
    assert (first.name, [file.name for file in numbers]) == ("gates.svg", ["gates.npz"])
    numbers[0].touch()
    assert new_files([folder], None)[0].name == "gates_2.svg"
    with pytest.raises(RunError, match=r"gates.npz is there, and no picture is replaced"):
        new_files([folder], first)
    both = new_files([folder, RunFolder(tmp_path / "b")], tmp_path / "x.pdf")[1]
    assert [file.name for file in both] == [f"x_1_{tmp_path.name}.npz", "x_2_b.npz"]


def test_two_runs_on_one_text_stand_side_by_side_a_column_each() -> None:
    figure = draw_side_by_side(
        [("gated", describe_reading(reading_arrays())), ("janet", describe_reading(reading_arrays()))]
    )
    assert figure.get_size_inches()[0] == pytest.approx(2 * 3.3)
    left, right = figure.subfigs
    assert [part.get_suptitle() for part in (left, right)] == ["gated", "janet"]
    assert len(left.axes) == len(right.axes)
