"""A run of a language model: what it is tested on, that it resumes to the same bytes, what it refuses."""

import itertools
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_runs import config
from stopped_runs import assert_same_bytes, stopped_and_resumed
from torch import Tensor, nn

from gatelab.commands.evaluate import evaluate
from gatelab.commands.gates import measure
from gatelab.commands.reproduce import show_verdict
from gatelab.commands.train import commands_to_try, compose
from gatelab.errors import ConfigError, DataError, RunError
from gatelab.reports.pages.run_page import run_page
from gatelab.runs.activity import read_activity
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_points
from gatelab.runs.language_evidence import TellingUnit, read_language_evidence, write_language_evidence
from gatelab.tasks.language_model.kneser_ney import KneserNey
from gatelab.tasks.language_model.language_folder import build_language_model, check_encoder, load_language_model
from gatelab.tasks.language_model.language_module import LanguageModel
from gatelab.tasks.language_model.text_data import PlainText
from gatelab.tasks.language_model.text_files import read_bytes
from gatelab.training.run import resolve, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, PlainText]:
    folder = tmp_path_factory.mktemp("language")
    run, _ = train(config(folder))
    settings = resolve(config(folder))["data"]
    return run, PlainText(**{key: value for key, value in settings.items() if key != "_target_"})


def test_a_run_ends_with_the_commands_of_a_language_model_and_a_repetition_claims_no_predictions(
    trained: tuple[RunFolder, PlainText], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained
    assert [line.split()[1] for line in commands_to_try(run)] == ["generate", "predict", "gates", "ui"]
    show_verdict(run, run, [], [])
    assert "identical: every number of metrics.csv and the weights\n" in capsys.readouterr().out


def test_the_test_is_an_unrolled_loop_over_the_whole_text(trained: tuple[RunFolder, PlainText]) -> None:
    run, data = trained
    module, tokenizer = load_language_model(run.model)
    stream = torch.from_numpy(data.prepared.parts["test"].astype(np.int64))
    state, nats = None, 0.0
    with torch.no_grad():
        for token, following in itertools.pairwise(stream):
            states, state = module.encoder(module.embedding(token.view(1, 1)), torch.tensor([1]), state)
            logits = module.embedding.weight.double() @ states[0, 0].double() + module.output_layer.bias.double()
            nats -= torch.log_softmax(logits, 0)[following].item()
            state = tuple(state)
    metrics, text = run.record.numbers(), tokenizer.decode(stream[1:].tolist())
    assert len(text) == len(stream) - 1 > 400
    assert metrics["loss"] == pytest.approx(nats / len(text), rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(math.exp(nats / len(text)), rel=1e-5)
    assert metrics["bits_per_character"] == pytest.approx(nats / math.log(2) / len(text), rel=1e-5)
    assert metrics["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(text.encode()), rel=1e-5)


def test_it_is_selected_by_perplexity_beside_n_grams_and_compressors(trained: tuple[RunFolder, PlainText]) -> None:
    run, data = trained
    record = run.record
    assert (record.monitor, record.status, record.symptoms) == ("perplexity", "finished", [])
    parts = data.prepared.parts
    five = KneserNey(np.asarray(parts["train"]), data.prepared.tokenizer.vocab_size).probabilities(parts["test"])[1:]
    assert record.numbers("5-gram")["perplexity"] == pytest.approx(math.exp(-np.log(five).mean()))
    assert 0 < record.numbers("zstd -19")["bits_per_byte"] < 8
    assert set(record.numbers("xz")) == {"bits_per_character", "bits_per_byte"}
    points = read_points(run.metrics, run.metrics.stat().st_size)
    validated = [point.values["validation/perplexity"] for point in points if "validation/perplexity" in point.values]
    assert record.best_validation["perplexity"] == min(validated)


def test_a_run_that_was_stopped_between_windows_ends_in_the_same_bytes(
    trained: tuple[RunFolder, PlainText], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = 31  # in the second epoch
    resumed = stopped_and_resumed(
        LanguageModel, step, config(tmp_path, "checkpoint_minutes=0"), config(tmp_path), monkeypatch
    )
    assert_same_bytes(resumed, trained[0])


def small(encoder: dict[str, Any] | None = None, vocab_size: int = 50, **model: Any) -> LanguageModel:
    groups = {
        "model": {"_target_": "gatelab.tasks.language_model.language_module.LanguageModel", **model},
        "encoder": encoder or {"_target_": "gatelab.recurrent.LSTMEncoder", "hidden_size": 8},
    }
    return build_language_model(**groups, vocab_size=vocab_size, start_id=0, unknown_id=None)


def test_the_perplexity_of_a_uniform_model_is_the_size_of_the_vocabulary() -> None:
    model = small(tied=False)
    nn.init.zeros_(model.output_layer.get_parameter("weight"))
    losses, _ = model.losses(torch.arange(20).view(2, 10), torch.arange(20, 40).view(2, 10), None)
    assert losses.mean().exp().item() == pytest.approx(50)


def test_tied_weights_are_one_matrix() -> None:
    tied, untied = (sum(p.numel() for p in small(tied=value).parameters()) for value in (True, False))
    assert untied - tied == 50 * 8


def test_an_adaptive_softmax_is_a_distribution_and_its_losses_are_of_it() -> None:
    lstm = {"_target_": "gatelab.recurrent.LSTMEncoder", "hidden_size": 32}
    model = small(lstm, tied=False, adaptive_softmax=[10, 30]).eval()
    states = torch.linspace(-1, 1, 96).view(3, 32)
    log_p = model.output_layer.log_probabilities(states)
    assert log_p.exp().sum(1).tolist() == pytest.approx([1, 1, 1], rel=1e-5)
    targets = torch.tensor([2, 20, 45])
    wanted = -log_p[range(3), targets]
    assert model.output_layer.losses(states, targets).tolist() == pytest.approx(wanted.tolist(), rel=1e-5)


def test_embedding_dropout_drops_whole_tokens_wherever_they_stand() -> None:
    torch.manual_seed(0)
    model = small(embedding_dropout=0.5).train()
    embedded = model._embedded(torch.arange(50).repeat(2)[None])[0]
    dropped = (embedded == 0).all(1)
    assert torch.equal(dropped[:50], dropped[50:])
    assert 10 < dropped[:50].sum() < 40
    kept = model.embedding.weight[~dropped[:50]] * 2
    assert torch.allclose(embedded[:50][~dropped[:50]], kept)


def test_locked_dropout_has_one_mask_for_all_steps() -> None:
    torch.manual_seed(0)
    model = small(locked_dropout=True).train()
    dropped = model._dropped(torch.ones(4, 30, 8), 0.5)
    assert torch.equal(dropped, dropped[:, :1].expand(-1, 30, -1))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


class Averages(nn.Module):
    """The mean of all steps, so also of later ones."""

    output_size = 8

    def __init__(self, input_size: int, state: bool = True) -> None:
        super().__init__()
        self.state = state

    def forward(self, x: Tensor, lengths: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return x.mean(1, keepdim=True).expand_as(x), (x[:, -1],) if self.state else None


@pytest.mark.parametrize(
    ("encoder", "sentence"),
    [
        ({"bidirectional": True}, "encoder.bidirectional=true: reads the next tokens"),
        ({"_target_": "gatelab.recurrent.GatedEncoder", "gate_recurrence": True}, "GatedEncoder cannot carry its state on: LSTM cannot continue"),
    ],
)  # fmt: skip
def test_an_encoder_that_cannot_be_one_of_a_language_model_is_refused(encoder: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        small({"_target_": "gatelab.recurrent.LSTMEncoder", "hidden_size": 8, **encoder})


def test_an_encoder_of_ones_own_that_looks_ahead_or_has_no_state_is_refused() -> None:
    with pytest.raises(ConfigError, match="the states of Averages see later tokens"):
        check_encoder(Averages(8), 8)
    with pytest.raises(ConfigError, match="Averages returns no state to carry on"):
        check_encoder(Averages(8, state=False), 8)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model.embedding_size=5"], r"model.tied=true needs one size, and the embedding has 5 while the encoder's states have 12"),
        (["model.adaptive_softmax=[2]"], r"model.adaptive_softmax has no matrix of its own to tie"),
        (["model.adaptive_softmax=[10,20]", "model.tied=false"], r"states of 12 units leave none for the last of 3 clusters.* at least 16"),
        (["model.adaptive_softmax=[20,10]", "model.tied=false"], r"ascending ids at which clusters begin, below the vocabulary"),
        (["data.split.test=0.6", "data.split.validation=0.4"], r"data.split: validation and test leave no text for training"),
        (["data.tokenizer.lowercase=true", "tokenizer=bytes"], r"data.tokenizer.lowercase=true: tokenizer=bytes reads a file as it is"),
        (["data.window=0"], r"data.window=0: input should be greater than or equal to 1"),
        (["tokenizer=unigram"], r"data.tokenizer.kind=unigram: input should be 'word', 'char', 'bytes' or 'bpe'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence(overrides: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        train(config(tmp_path, *overrides))
    assert not list((tmp_path / "outputs").glob("*/*/run.json"))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model=language_model", "data=sample"], r"model=language_model reads running text: take data=text"),
        (["model=classifier", "data=text"], r"data=text holds no labels: take model=language_model"),
    ],
)
def test_a_task_and_data_that_do_not_fit_are_refused(overrides: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        train(compose([*overrides, "tracker=none", f"output_dir={tmp_path}", f"data.cache_dir={tmp_path}"]))


def test_its_page_has_curves_surprise_and_what_it_wrote(trained: tuple[RunFolder, PlainText]) -> None:
    run, data = trained
    evidence = read_language_evidence(run.language)
    assert evidence is not None
    assert evidence.passage is not None
    text = data.prepared.tokenizer.decode(data.prepared.parts["test"][1:].tolist())
    assert text.startswith("".join(evidence.passage.tokens))
    assert [sample.validation for sample in evidence.samples] == [1, 2]
    assert len(evidence.samples[1].text) == 200
    assert evidence.positions is not None
    assert len(evidence.positions.read) == 24
    assert sum(each.tokens for each in evidence.frequencies) == len(text)
    page = run_page(run)
    for shown in (
        "perplexity on",
        "test tokens",
        "Bits per character",
        "Surprise by frequency",
        "carried state",
        "Tokens of each part",
        "Over 1 text of the validation",
        "Forget gate, layer 2",
    ):
        assert shown in page
    activity, states = read_activity(run), trace_of_validation(run, data)
    assert int(activity["tokens"]) == len(states)
    assert activity["l1.cell"][0] == pytest.approx(states.mean(0), rel=1e-4, abs=1e-5)
    bits = evidence.passage.losses[0] / math.log(2)
    assert f'title="{bits:.2f} bits">{text[0]}</span>' in page


def test_its_page_tints_a_passage_by_the_unit_that_tells_a_property(
    trained: tuple[RunFolder, PlainText], tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(trained[0].path, tmp_path / "name" / "0123456789")))
    assert "What units tell" not in run_page(run)
    evidence = read_language_evidence(run.language)
    assert evidence is not None
    about: dict[str, Any] = {"property": "inside quotes", "layer": 2, "unit": 3, "measure": "AUROC", "score": 0.75}
    unit = TellingUnit(**about, tokens=list('a"<b\n'), states=[-1, 1, 1, 0.99, 0])
    write_language_evidence(run.language, evidence.model_copy(update={"units": [unit]}))
    page = run_page(run)
    assert "<summary>Inside quotes: unit 3 of layer 2, AUROC 0.750</summary>" in page
    pieces = '<span class="d0">a</span><span class="d10">&#34;&lt;b</span><span class="d5">⏎\n</span>'
    assert f'<div class="passage">{pieces}</div>' in page


def test_gates_without_a_text_measures_a_run_that_was_trained_without_their_saturation(
    trained: tuple[RunFolder, PlainText], tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(trained[0].path, tmp_path / "name" / trained[0].path.name)))
    run.activity.unlink()
    measure(run, ())
    found, before = read_activity(run), read_activity(trained[0])
    assert found.keys() == before.keys()
    assert all(np.array_equal(found[name], before[name]) for name in before)


def test_another_text_is_evaluated_as_the_test_was(
    trained: tuple[RunFolder, PlainText], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = trained
    folder, text = run.path.parents[1], b"".join(read_bytes(data.prepared.spans["test"]))
    file = tmp_path / "test.txt"
    file.write_bytes(text)
    evaluate(run.path.name, folder, plain_text=file)
    assert "unknown: test 0.00%" in capsys.readouterr().out
    (found,) = (RunFolder(file.parent) for file in run.path.glob("evaluations/*/run.json"))
    record, before = found.record, run.record
    assert record.metrics is not None
    assert before.metrics is not None
    assert record.metrics.numbers() == pytest.approx(before.metrics.numbers(), rel=1e-6)
    assert record.data is not None
    assert record.data.split_sizes == {"test": len(text)}
    page = found.report.read_text(encoding="utf-8")
    assert f"The model of run {run.path.parent.name}/{run.path.name} on another file." in page
    assert not (found.path / "model").exists()
    for content, sentence in ((b"", "test.txt: is empty"), (b"a\0b", "test.txt: byte 2 is NUL")):
        file.write_bytes(content)
        with pytest.raises(DataError, match=sentence):
            evaluate(run.path.name, folder, plain_text=file)
    for asked in ({"table": file}, {"plain_text": file, "label": ["answer"]}, {}):
        with pytest.raises(RunError, match=r"is a language model: give --file FILE, a plain text, and no --csv"):
            evaluate(run.path.name, folder, **asked)
    shutil.rmtree(run.path / "evaluations")


def trace_of_validation(run: RunFolder, data: PlainText) -> Any:
    """The cell states (T, H) of the second layer after each token of the validation, step by step."""
    module, _ = load_language_model(run.model)
    stream, state, found = torch.from_numpy(data.prepared.parts["validation"].astype(np.int64)), None, []
    with torch.no_grad():
        for token in stream:
            _, state = module.encoder(module.embedding(token.view(1, 1)), torch.tensor([1]), state)
            state = tuple(state)
            found.append(state[1][1, 0].numpy())
    return np.array(found[1:])


def test_a_damaged_file_of_evidence_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "language.json"
    file.write_text(
        '{"samples": [], "frequencies": [], "positions": null, "passage": {"tokens": ["a"], "losses": [-1]}}'
    )
    with pytest.raises(RunError, match=r"language.json: cannot be read .* Remove it to have the page without it"):
        read_language_evidence(file)
    file.unlink()
    file.symlink_to("/dev/null")  # in place of a FIFO or an endless device, which would hold this up
    with pytest.raises(RunError, match=r"language.json: is a device and no file\. Remove it"):
        read_language_evidence(file)


def test_the_rate_of_a_step_is_in_proportion_to_its_window_where_windows_vary() -> None:
    model = small()
    model.usual_window, model._window = 20, 5
    optimizer = torch.optim.SGD(model.parameters(), lr=8.0)
    before = model.embedding.weight.detach().clone()

    def closure() -> None:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)

    model.optimizer_step(0, 0, optimizer, closure)
    assert torch.allclose(before - model.embedding.weight, torch.tensor(2.0))
    assert optimizer.param_groups[0]["lr"] == 8.0


@pytest.mark.long
def test_two_processes_share_the_columns_and_have_the_same_losses(
    trained: tuple[RunFolder, PlainText], tmp_path: Path
) -> None:
    runs = trained[0], train(config(tmp_path, "trainer.devices=2"))[0]
    curves = []
    for run in runs:
        points = read_points(run.metrics, run.metrics.stat().st_size)
        curves.append([value for point in points for name, value in point.values.items() if "test" not in name])
    assert len(curves[0]) > 10
    assert curves[1] == pytest.approx(curves[0], rel=1e-6)
    perplexities = [run.record.numbers()["perplexity"] for run in runs]
    assert perplexities[1] == pytest.approx(perplexities[0], rel=1e-5)
