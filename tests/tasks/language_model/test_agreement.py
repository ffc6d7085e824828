"""Agreement: which form of a verb is likelier, against probabilities computed one by one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gatelab.errors import DataError
from gatelab.tasks.language_model.agreement import accuracies, form_losses, made_pairs, read_pairs
from gatelab.tasks.language_model.language_folder import build_language_model
from gatelab.tasks.language_model.made_text import NOUNS, SPEAKERS, VERBS, Agreement, Grammar
from gatelab.tasks.language_model.text_loss import TextLoss
from gatelab.tasks.language_model.text_tokenizer import CharacterTokenizer, TextTokenizer, WordTokenizer

MODEL = {"_target_": "gatelab.tasks.language_model.language_module.LanguageModel"}
PLURAL = {forms[1] for forms in (*VERBS, *SPEAKERS)}
LSTM = {"_target_": "gatelab.recurrent.LSTMEncoder", "hidden_size": 6}


def text_loss(tokenizer: TextTokenizer) -> TextLoss:
    torch.manual_seed(0)
    made = TextLoss.__new__(TextLoss)
    made.tokenizer = tokenizer
    made.module = build_language_model(
        MODEL, LSTM, vocab_size=tokenizer.vocab_size, start_id=tokenizer.start_id, unknown_id=tokenizer.unknown_id
    ).eval()
    return made


def log_probability(model: TextLoss, text: str) -> float:
    ids = torch.tensor([[model.tokenizer.start_id, *model.tokenizer.encode(text).tolist()]])
    states, _ = model.module(ids[:, :-1])
    return model.module.output_layer.log_probabilities(states[0])[range(ids.shape[1] - 1), ids[0, 1:]].sum().item()


@pytest.mark.parametrize(
    ("tokenizer", "end"),
    [(WordTokenizer(["<unk>", "<eos>", "the", "keys", "is", "are"]), ""), (CharacterTokenizer(["<unk>", *"\n thekysiar"]), " ")],
    ids=["words", "characters"],
)  # fmt: skip
def test_each_form_has_the_probability_of_all_its_tokens_after_the_prefix(tokenizer: TextTokenizer, end: str) -> None:
    model = text_loss(tokenizer)
    pairs = [Agreement("the keys ", "are", "is", 0), Agreement("the key the keys ", "is", "are", 1)]
    found = form_losses(model, pairs)
    for pair, losses in zip(pairs, found, strict=True):
        for form, loss in zip((pair.right, pair.wrong), losses, strict=True):
            assert loss == pytest.approx(-log_probability(model, f"{pair.prefix}{form}{end}"), rel=1e-5)


def test_pairs_with_an_unknown_form_are_left_out_and_ties_are_half_right() -> None:
    pairs = [Agreement("", "a", "b", number) for number in (0, 0, 2, 2, 2)]
    losses = np.array([[1.0, 2], [2, 2], [3, 1], [np.nan, 1], [1, 4]])
    assert accuracies(pairs, losses) == [(0, 2, 0.75), (2, 2, 0.5)]
    model = text_loss(WordTokenizer(["<unk>", "<eos>", "the", "is"]))
    assert np.isnan(form_losses(model, [Agreement("the ", "is", "are", 0)])).tolist() == [[False, True]]


def test_the_published_forms_of_a_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "one.tsv").write_text("the keys of the door\tare\tis\t1\n")
    (tmp_path / "two.gold").write_text("5\tare\tis\t1\n")
    (tmp_path / "two.text").write_text("the keys of the door are lost . <eos>\n")
    table = tmp_path / "three.tab"
    header = "sent_id\tform\tclass\tprefix\tn_attr\tsent\n"
    rows = ["7\tare\tcorrect\tthe keys of the door\t1\tthe ...\n", "7\tis\twrong\tthe keys of the door\t1\tthe ...\n"]
    table.write_text(header + "".join(rows))
    wanted = [Agreement("the keys of the door ", "are", "is", 1)]
    assert read_pairs(tmp_path / "one.tsv") == read_pairs(tmp_path / "two.gold") == read_pairs(table) == wanted
    for content, sentence in (
        (header + "".join(rows[::-1]), r"three.tab: row 2: is not the correct form of a pair"),
        (header + rows[0], r"three.tab: row 2: is not the correct form"),
        (header, r"three.tab: holds no pairs"),
        ('"' + 200_000 * "a", r"three.tab: is no table of pairs \(field larger than"),
        ("sent_id\tform\n", r"three.tab: has no column prefix, n_attr, class"),
    ):
        table.write_text(content)
        with pytest.raises(DataError, match=sentence):
            read_pairs(table)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"pairs.tsv: is empty\. A line is what stands before the verb"),
        (b"the keys\tare\tis\t0\nthe keys are\n", r"pairs.tsv: line 2: is not what stands before the verb, the right form"),
        (b"\xff\t\t\t", r"pairs.tsv: byte 1 is not valid UTF-8"),
        (None, r"pairs.tsv: cannot be read \(No such file or directory\)"),
    ],
)  # fmt: skip
def test_a_file_without_pairs_is_one_sentence(content: Any, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "pairs.tsv").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_pairs(tmp_path / "pairs.tsv")


def test_generated_sentences_close_what_they_open_and_agree() -> None:
    grammar, closes = Grammar(3), {")": "(", "]": "[", "}": "{"}
    for _ in range(300):
        sentence, found = grammar.sentence(), grammar.agreement
        open_brackets: list[str] = []
        for character in sentence:
            if character in closes:
                assert open_brackets.pop() == closes[character]
            elif character in closes.values():
                open_brackets.append(character)
        assert not open_brackets
        assert sentence.count('"') in (0, 2)
        assert sentence.startswith(f"{found.prefix}{found.right}")
        noun = next(word for word in found.prefix.split()[1:] if word.rstrip("s") in NOUNS)
        assert (noun not in NOUNS) == (found.right in PLURAL)
        nouns = [word.strip("()[]{}") for word in found.prefix.split()]
        others = [word for word in nouns if word.rstrip("s") in NOUNS][1:]
        assert found.attractors == sum((word in NOUNS) != (noun in NOUNS) for word in others)
    assert len({pair.attractors for pair in made_pairs()}) > 3
