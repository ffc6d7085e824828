"""What the server of gatelab ui says of a text that is typed, against predict, gates and generate."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from run_folders import Folders
from served import Answer, ask, serving

from gatelab.commands import ui
from gatelab.commands.predict import predictor_of
from gatelab.errors import RunError
from gatelab.reports.charts.reading import describe_reading
from gatelab.reports.pages.own_text import MAX_ANSWERS, own_text_answer
from gatelab.reports.server import models
from gatelab.reports.server.models import MAX_CHARACTERS, MAX_MODELS, Models
from gatelab.runs.folder import RunFolder


@pytest.fixture(scope="module")
def port(live_folders: Folders) -> Iterator[int]:
    with serving(live_folders.output_dir) as port:
        yield port


def asked(port: int, place: str, text: str, **more: Any) -> Answer:
    return ask(port, f"/{place}?{urlencode({'text': text, **more})}")


def test_a_text_is_answered_with_the_probabilities_of_predict(port: int, live_folders: Folders) -> None:
    predictor = predictor_of(RunFolder(live_folders.output_dir / "classes" / "aaaaaaaaaa"), ())
    for text in ("a lovely great film", "awful, sad \U0001f469 <b>"):
        answer = asked(port, "classes/aaaaaaaaaa/read", text)
        assert answer.status == 200
        for probability in predictor.predictions([text])[0]:
            assert f'<td class="number">{probability:.4f}</td>' in answer.body
        assert "integrated gradients" not in answer.body
    assert "integrated gradients" in asked(port, "classes/aaaaaaaaaa/read", "great", attributions=1).body


def test_a_text_is_shown_as_text(port: int) -> None:
    answer = asked(port, "classes/aaaaaaaaaa/read", "</script><script>x</script>\u202e")
    assert (answer.status, "<script" in answer.body) == (200, False)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")


def test_a_language_model_goes_on_as_generate_does(
    port: int, live_folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MAX_TOKENS", 40)
    predictor = predictor_of(RunFolder(live_folders.output_dir / "language" / "bbbbbbbbbb"), ())
    wanted = "".join(islice(predictor.continued("bad ", temperature=0.0, seed=1), 40))
    answer = asked(port, "language/bbbbbbbbbb/continued", "bad ", temperature=0)
    assert (answer.status, answer.body) == (200, wanted)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert len({asked(port, "language/bbbbbbbbbb/continued", "bad ").body for _ in range(2)}) == 2  # drawn anew


def test_what_a_language_model_expects_next_is_what_its_loss_is_computed_from(port: int, live_folders: Folders) -> None:
    predictor = predictor_of(RunFolder(live_folders.output_dir / "language" / "bbbbbbbbbb"), ())
    gates = predictor.read_gates("bad")
    for name, probability in zip(gates["classes"], gates["probabilities"][-1], strict=True):
        loss = predictor.token_losses(["bad" + str(name).replace("\\n", "\n")])[0][-1]
        assert probability == pytest.approx(np.exp(-loss), rel=1e-4)
        assert f'<td class="number">{probability:.4f}</td>' in asked(port, "language/bbbbbbbbbb/read", "bad").body


@pytest.mark.parametrize(
    ("place", "text", "status", "words"),
    [
        ("classes/aaaaaaaaaa/read", " \n", 400, "The text is empty."),
        ("classes/aaaaaaaaaa/read", "x" * (MAX_CHARACTERS + 1), 400, "The text has 1,001 characters."),
        ("classes/aaaaaaaaaa/continued", "great", 400, "is no language model"),
        ("language/bbbbbbbbbb/continued", "bad Ж", 400, "the model's vocabulary has no 'Ж'"),
        ("language/bbbbbbbbbb/continued", "a" * (MAX_CHARACTERS + 1), 400, "The text has 1,001 characters."),
        ("none/cccccccccc/read", "great", 404, "There is no finished run"),
        ("none/cccccccccc/load", "", 404, "There is no finished run"),
        ("classes/../read", "great", 404, "There is no finished run"),
        ("nowhere/aaaaaaaaaa/read", "great", 404, "There is no finished run"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(place: str, text: str, status: int, words: str, port: int) -> None:
    answer = asked(port, place, text)
    assert (answer.status, words in answer.body, "<" in answer.body) == (status, True, False), answer.body


def test_only_the_pages_of_the_server_may_ask_a_model(port: int) -> None:
    for headers in ({"Cookie": ""}, {"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        assert ask(port, "/classes/aaaaaaaaaa/read?text=great", **headers).status == 403


def test_a_model_outside_the_output_folder_and_a_damaged_one_are_a_sentence(
    tmp_path: Path, live_folders: Folders
) -> None:
    here = Folders(tmp_path / "outputs")
    model = live_folders.output_dir / "classes" / "aaaaaaaaaa" / "model"
    linked, damaged = here.write(1, identity="linked"), here.write(2, identity="damaged")
    linked.model.symlink_to(model)
    shutil.copytree(model, damaged.model)
    (damaged.model / "model.safetensors").write_text("x", encoding="utf-8")
    with serving(here.output_dir) as port:
        assert asked(port, "sweep/linked/read", "great").status == 404
        answer = asked(port, "sweep/damaged/read", "great")
        assert (answer.status, "does not hold the weights of this model" in answer.body) == (400, True)
        assert 'id="own"' not in ask(port, "/sweep/linked/report.html").body


def test_a_page_has_the_box_where_there_is_a_model_and_loads_it_only_when_it_is_asked(
    live_folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(ui, "open_model", lambda allowed, folder: opened.append(folder.path.name))
    with serving(live_folders.output_dir) as port:
        for place, there in (("classes/aaaaaaaaaa", True), ("language/bbbbbbbbbb", True), ("none/cccccccccc", False)):
            assert ('<section id="own"' in ask(port, f"/{place}/report.html").body) == there
        assert opened == []
        for _ in range(2):
            assert ask(port, "/classes/aaaaaaaaaa/load").status == 204
    assert opened == ["aaaaaaaaaa"]


class Model:
    """Says by which thread it is asked."""

    def read_gates(self, text: str, *, attributions: bool) -> dict[str, Any]:
        return {"thread": threading.get_ident()}


def test_a_model_is_loaded_once_asked_by_one_thread_and_loaded_again_when_it_has_changed(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path / str(number)) for number in range(MAX_MODELS + 1)]
    for folder in folders:
        folder.model.mkdir(parents=True)
        (folder.model / "config.json").write_text("{}", encoding="utf-8")
    opened: list[str] = []

    def open_model(folder: RunFolder) -> Model:
        opened.append(folder.path.name)
        return Model()

    kept = Models(open_model)
    with ThreadPoolExecutor(8) as pool:
        gates = list(pool.map(lambda _: kept.read(folders[0], "a text", attributions=False), range(32)))
    assert (opened, len({each["thread"] for each in gates})) == (["0"], 1)
    (folders[0].model / "config.json").write_text("{ }", encoding="utf-8")
    for folder in folders:
        kept.load(folder)
    assert opened == ["0", "0", "1", "2", "3", "4"]
    kept.load(folders[4])
    kept.load(folders[0])  # the one asked longest ago made room
    assert opened[6:] == ["0"]


def test_a_model_that_cannot_be_opened_is_refused_each_time_and_stops_no_other(tmp_path: Path) -> None:
    def refuse(folder: RunFolder) -> Any:
        raise RunError("holds no model")

    kept = Models(refuse)
    for _ in range(2):
        with pytest.raises(RunError, match="holds no model"):
            kept.load(RunFolder(tmp_path))


def test_numbers_and_many_classes_are_answered_too(live_folders: Folders) -> None:
    gates = predictor_of(RunFolder(live_folders.output_dir / "classes" / "aaaaaaaaaa"), ()).read_gates("a fine film")
    number = {name: value for name, value in gates.items() if name not in ("classes", "probabilities")}
    number |= {"predictions": np.array([1.0, 2.0, 3.25]), "answer": np.array("3.25")}
    answer = own_text_answer(number, {}, goes_on=False)
    assert ("<b><bdi>3.25</bdi></b>" in answer, 'class="answers"' in answer) == (True, False)
    values = np.linspace(0, 1, 50)
    many = gates | {"classes": np.array([f"c{k}" for k in range(50)]), "probabilities": np.tile(values, (3, 1))}
    answer = own_text_answer(many, {}, goes_on=False)
    shown = [line for line in answer.splitlines() if line.startswith('<tr><th scope="row"><bdi>c')]
    assert len(shown) == MAX_ANSWERS
    assert "c49" in shown[0]
    assert describe_reading(many).place == ""
