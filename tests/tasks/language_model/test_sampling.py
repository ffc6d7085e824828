"""Generated text and the loss of texts, each against a second way of computing it."""

import math
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gatelab.api.trained_model import Model
from gatelab.commands.generate import generate
from gatelab.commands.predict import predict_table
from gatelab.errors import DataError, RunError, UserError
from gatelab.runs.folder import RunFolder
from gatelab.tasks.language_model import lstm_step, text_loss
from gatelab.tasks.language_model.language_folder import build_language_model, save_language_model
from gatelab.tasks.language_model.language_module import LanguageModel
from gatelab.tasks.language_model.sampling import draw, sample_ids
from gatelab.tasks.language_model.text_gates import read_text_gates
from gatelab.tasks.language_model.text_loss import TextLoss
from gatelab.tasks.language_model.text_tokenizer import (
    CharacterTokenizer,
    TextTokenizer,
    WordTokenizer,
    fit_text_tokenizer,
)

LSTM = {"_target_": "gatelab.recurrent.LSTMEncoder", "hidden_size": 6, "num_layers": 2}
GATED = {"_target_": "gatelab.recurrent.GatedEncoder", "hidden_size": 6, "num_layers": 2}
MODEL = {"_target_": "gatelab.tasks.language_model.language_module.LanguageModel"}
CHARACTERS = CharacterTokenizer(["<unk>", *"\n abcdefgh"])


def model(encoder: dict[str, Any], tokenizer: TextTokenizer = CHARACTERS) -> LanguageModel:
    torch.manual_seed(1)
    made = build_language_model(
        MODEL, encoder, vocab_size=tokenizer.vocab_size, start_id=tokenizer.start_id, unknown_id=tokenizer.unknown_id
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(4)  # so that the tokens differ in probability
    return made.eval()


@pytest.mark.parametrize("max_table", [0, 10**6])
@pytest.mark.parametrize(
    "encoder", [LSTM, GATED, {**GATED, "peepholes": True}, {**LSTM, "_target_": "gatelab.recurrent.GRUEncoder"}]
)
def test_each_token_is_the_likeliest_after_all_before_it(
    encoder: dict[str, Any], max_table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside reading the whole text anew for each token."""
    monkeypatch.setattr(lstm_step, "MAX_TABLE", max_table)
    made, ids = model(encoder), [2, 5, 3]
    drawn = list(islice(sample_ids(made, ids, temperature=0, generator=torch.Generator()), 25))
    read = list(ids)
    for token in drawn:
        states, _ = made(torch.tensor([read]))
        assert token == made.output_layer.log_probabilities(states[0, -1:]).argmax()
        read.append(token)


def test_draws_follow_the_probabilities_at_the_temperature() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.tensor([0.1, 0.2, 0.7]).log()
    for temperature in (1.0, 0.5):
        drawn = np.bincount([draw(scores, temperature, generator) for _ in range(3000)], minlength=3) / 3000
        powers = np.array([0.1, 0.2, 0.7]) ** (1 / temperature)
        assert drawn == pytest.approx(powers / powers.sum(), abs=0.03)
    assert draw(torch.tensor([-torch.inf, 0.0]), 1.0, generator) == 1


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with a model alone; returns the root of run folders."""
    folder = RunFolder(tmp_path / "outputs" / "default" / "abc")
    save_language_model(folder.model, model(LSTM), CHARACTERS, model=MODEL, encoder=LSTM)
    folder.update(status="finished")
    return tmp_path / "outputs"


def test_generate_prints_the_prompt_and_a_text_that_the_seed_repeats(
    run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for seed in (1, 1, 2):
        generate("abc", run, prompt="bad c", temperature=1.0, seed=seed, length=40)
    printed, said = capfd.readouterr()
    texts = [f"bad c{text}" for text in printed.split("bad c")[1:]]
    assert texts[0] == texts[1] != texts[2]
    assert [len(text) for text in texts] == [46, 46, 46]  # with the line end after it
    assert "<unk>" not in printed
    assert said.count("40 tokens in ") == 3
    assert "tokens/s, seed 2" in said


def test_a_prompt_with_what_the_model_does_not_know_is_refused(run: Path) -> None:
    with pytest.raises(DataError, match=r"--prompt: the model's vocabulary has no 'é'\. Leave it out"):
        generate("abc", run, prompt="abé", temperature=1.0, seed=1, length=4)


def test_words_of_a_prompt_and_of_the_text_stand_apart(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = WordTokenizer(["<unk>", "<eos>", "the", "cat"])
    folder = RunFolder(tmp_path / "default" / "abc")
    save_language_model(folder.model, model(LSTM, tokenizer), tokenizer, model=MODEL, encoder=LSTM)
    folder.update(status="finished")
    generate("abc", tmp_path, prompt="the cat", temperature=1.0, seed=1, length=12)
    printed = capfd.readouterr().out
    assert set(printed.split()) <= {"the", "cat"}
    assert printed.startswith("the cat ") or printed.startswith("the cat \n")
    with pytest.raises(DataError, match="has no 'dog'"):
        generate("abc", tmp_path, prompt="the dog", temperature=1.0, seed=1, length=4)


def test_from_python_it_predicts_writes_and_opens_its_gates(run: Path) -> None:
    folder = run / "default" / "abc" / "model"
    ours, predictor = Model(folder), TextLoss(folder)
    table = ours.predict(["bad cafe", ""])
    assert table["text"].tolist() == ["bad cafe", ""]
    assert table["tokens"].tolist() == [8, 0]
    assert table["loss"][0] == pytest.approx(predictor.token_losses(["bad cafe"])[0].mean())
    assert np.isnan(table["perplexity"][1])
    written = islice(predictor.continued("ca", temperature=0.7, seed=3), 5)
    assert ours.generate("ca", length=5, temperature=0.7, seed=3) == "".join(written)
    assert ours.trace("bad").tokens == list("bad")
    with pytest.raises(RunError, match="no attention weights"):
        ours.predict("a", attention=True)


@pytest.mark.parametrize("window", [3, 500])
def test_the_loss_of_a_text_is_that_of_it_alone_read_at_once(
    window: int, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_loss, "EVALUATED_WINDOW", window)
    predictor = TextLoss(run / "default" / "abc" / "model")
    texts = ["bad cafe", "", "a", "h" * 9 + "é"]
    found = predictor.predictions(texts)
    assert found[:, 0].tolist() == [8, 0, 1, 10]
    assert found[:, 1].tolist() == [0, 0, 0, 1]
    assert np.isnan(found[1, 2:]).all()
    assert predictor.shown(found[1]) == ["0", "0", "–", "–", "–"]
    for text, row in zip(texts, found, strict=True):
        if text:
            ids = torch.tensor([[predictor.tokenizer.start_id, *predictor.tokenizer.encode(text).tolist()]])
            states, _ = predictor.module(ids[:, :-1])
            log_p = predictor.module.output_layer.log_probabilities(states[0])
            nats = -log_p[range(len(text)), ids[0, 1:]].sum().item()
            wanted = nats / len(text), math.exp(nats / len(text)), nats / math.log(2) / len(text)
            assert row[2:].tolist() == pytest.approx(wanted, rel=1e-5)


def test_predict_writes_the_loss_and_perplexity_of_each_row(run: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "texts.csv", tmp_path / "out.csv"
    table.write_text("text,from\nbad cafe,here\nbead,there\n")
    predict_table("abc", run, table, out, text=["text"], keep=True)
    header, *lines = out.read_text().splitlines()
    assert header == "line,text,from,tokens,unknown,loss,perplexity,bits_per_character"
    assert [line.split(",")[:5] for line in lines] == [
        ["2", "bad cafe", "here", "8", "0"],
        ["3", "bead", "there", "4", "0"],
    ]
    loss, perplexity = map(float, lines[0].split(",")[5:7])
    assert perplexity == pytest.approx(math.exp(loss))


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("config.json", "{}", r"config.json: is no config of a model"),
        ("tokenizer.json", '{"kind": "char", "tokens": [1]}', r"tokenizer.json: cannot be read as a tokenizer: a token is no text"),
        ("tokenizer.json", '{"kind": "char", "tokens": ["<unk>", "a"]}', r"tokenizer.json: has 2 tokens, the model 11"),
        ("model.safetensors", "x", r"model.safetensors: does not hold the weights of this model"),
    ],
)  # fmt: skip
def test_a_damaged_model_folder_is_one_sentence(file: str, content: str, sentence: str, run: Path) -> None:
    (run / "default" / "abc" / "model" / file).write_text(content)
    with pytest.raises(UserError, match=sentence):
        generate("abc", run, prompt="", temperature=1.0, seed=1, length=4)


@pytest.mark.parametrize("encoder", [LSTM, {**GATED, "peepholes": True}])
def test_the_gates_of_a_text_are_those_of_reading_it(encoder: dict[str, Any]) -> None:
    made = model(encoder)
    gates = read_text_gates(made, CHARACTERS, "bad cab")
    read, _ = made(torch.tensor([[CHARACTERS.start_id, *CHARACTERS.encode("bad cab")]]))
    states = read[:, 1:]  # as in predict and generate a line has ended before the text
    assert gates["l1.hidden"] == pytest.approx(states[0].detach().numpy(), abs=1e-5)
    assert "".join(gates["tokens"]) == "bad cab"
    after = made.output_layer.log_probabilities(states[0]).exp().detach().numpy()
    names = [*CHARACTERS.tokens]
    for name, column in zip(gates["classes"], gates["probabilities"].T, strict=True):
        assert column == pytest.approx(after[:, names.index(name.replace("\\n", "\n"))], abs=1e-5)
    assert gates["answer"] == gates["classes"][0]
    assert gates["probabilities"][-1].tolist() == sorted(gates["probabilities"][-1], reverse=True)


def test_a_character_of_several_pieces_is_written_once_it_is_complete() -> None:
    tokenizer = fit_text_tokenizer(lambda: ["all ASCII "], kind="bpe", vocab_size=256, min_count=1)
    ids = tokenizer.encode("« é 中 𝄞 »\n\t\x7f")
    pieces = list(tokenizer.decoded(ids))
    assert "".join(pieces) == tokenizer.decode(ids) == "« é 中 𝄞 »\n\t\x7f"
    assert [piece for piece in pieces if piece and piece in "中𝄞"] == ["中", "𝄞"]
