"""The attention of each row of a table, held against the reading of its text alone."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import gatelab
from gatelab.cli import app
from gatelab.commands.train import compose
from gatelab.data.tokenize import fit_tokenizer, new_tokenizer
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.export import save_model
from gatelab.training.run import resolve

MADE_BEFORE = Path(__file__).parents[2] / "runs" / "made_before"
TEXTS = [
    "A good film",
    "good",
    'a film "so good", see https://a.b/c @me now, and then again and again',
    "\u200b",
    "good Ж film",
]
MAX_LENGTH = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose model has attention pooling and random weights."""
    outputs = tmp_path_factory.mktemp("attention")
    (made,) = MADE_BEFORE.glob("*/efe8cbbc26")
    run = outputs / "default" / made.name
    shutil.copytree(made, run, ignore=shutil.ignore_patterns("model"))
    settings = resolve(compose(["encoder.hidden_size=4", "encoder.bidirectional=true", "model.pooling=attention"]))
    tokenizer = new_tokenizer()
    fit_tokenizer(tokenizer, dict.fromkeys(["good", "film", "<url>"], 1), vocab_size=None, min_count=1)
    tokenizer.save(str(outputs / "tokenizer.json"))
    torch.manual_seed(1)
    module: Any = build_model(
        settings["model"], settings["encoder"], vocab_size=tokenizer.get_vocab_size(), num_classes=2
    )
    torch.nn.init.normal_(module.pool.query.weight, std=3)
    groups = {group: settings[group] for group in ("model", "encoder")}
    save_model(run / "model", module, outputs / "tokenizer.json", **groups, classes=["-", "+"], max_length=MAX_LENGTH)
    return run


def predict(run: Path, *arguments: str, code: int = 0) -> str:
    given = ["predict", run.name, *arguments, "--output-dir", str(run.parents[1])]
    done = CliRunner().invoke(app, given, env={"COLUMNS": "300"})
    assert done.exit_code == code, done.output
    return done.output


def test_each_row_has_the_tokens_and_weights_of_its_reading_alone_none_of_them_padding(run: Path) -> None:
    model = gatelab.load_run(str(run)).model
    table = model.predict(TEXTS, attention=True)
    assert table.drop(columns="attention").equals(model.predict(TEXTS))
    for text, attention in zip(TEXTS, table["attention"], strict=True):
        alone = model.trace(text)
        assert [token for token, _ in attention] == alone.tokens
        weights = np.array([weight for _, weight in attention])
        np.testing.assert_allclose(weights, alone.arrays["attention"], atol=1e-6)
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        assert weights.min() > 0
    lengths = [len(attention) for attention in table["attention"]]
    assert (min(lengths), max(lengths)) == (1, MAX_LENGTH)
    assert model.predict([], attention=True).columns.tolist() == table.columns.tolist()


def test_a_table_gets_them_as_json_and_a_screen_in_two_digits(run: Path, tmp_path: Path) -> None:
    with open(tmp_path / "new.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in TEXTS)])
    out = tmp_path / "out.csv"
    predict(run, "--csv", str(tmp_path / "new.csv"), "--out", str(out), "--attention", "--keep")
    expected = gatelab.load_run(str(run)).model.predict(TEXTS, attention=True)["attention"]
    with open(out, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [json.loads(row["attention"]) for row in rows] == [list(map(list, row)) for row in expected]
    assert [row["text"] for row in rows] == TEXTS
    assert " ".join(f"{token} {weight:.2f}" for token, weight in expected[0]) in predict(run, TEXTS[0], "--attention")


def test_a_model_that_pools_otherwise_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (made,) = MADE_BEFORE.glob("*/efe8cbbc26")
    (tmp_path / "new.csv").write_text("text\na film\n")
    arguments = ["--csv", str(tmp_path / "new.csv"), "--out", str(tmp_path / "out.csv"), "--attention"]
    said = predict(made, *arguments, code=2)
    assert "error: the model has no attention weights. Train one with model.pooling=attention." in said
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(gatelab.RunError, match=r"model\.pooling=attention"):
        gatelab.load_run(str(made)).model.predict("a film", attention=True)
