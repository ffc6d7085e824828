"""gatelab from Python: one run, trained once for all tests of this file."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from run_folders import Folders
from sklearn import metrics as sk

import gatelab
from gatelab.api.start import as_user_errors
from gatelab.commands.train import compose
from gatelab.config.identity import identity_of
from gatelab.config.schema import CONF_DIR
from gatelab.errors import Interrupted
from gatelab.training.run import resolve

CLASSES = ["<b>bad</b>", "[red]good"]  # which no screen may take for markup
ROWS = [(f"review {row // 2} of a {'fine' if row % 2 else 'dull'} film", CLASSES[row % 2]) for row in range(120)]
FRAME = pd.DataFrame(ROWS, columns=["text", "label"])


def train(folder: Path, **more: Any) -> gatelab.Run:
    return gatelab.train(
        "encoder=peephole", "trainer.max_epochs=2", "trainer.log_every_n_steps=1", "seed=1", "tracker=none", "report=false",
        data={"path": FRAME, "cache_dir": folder / "cache"}, encoder={"hidden_size": 4}, model={"embedding_size": 4},
        output_dir=folder / "outputs", **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def shown(folder: Path) -> tuple[gatelab.Run, str]:
    """The run, and what verbose=True prints."""
    with contextlib.redirect_stdout(io.StringIO()) as screen:
        return train(folder, verbose=True), screen.getvalue()


@pytest.fixture(scope="module")
def run(shown: tuple[gatelab.Run, str]) -> gatelab.Run:
    return shown[0]


def test_nothing_is_printed_unless_asked_and_hydra_torch_and_the_arguments_are_as_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = list(sys.argv)
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        before, state = GlobalHydra.instance().hydra, torch.get_rng_state()
        run = train(tmp_path)
        assert GlobalHydra.instance().hydra is before
    assert run.status == "finished"
    assert capfd.readouterr() == ("", "")
    assert sys.argv == arguments
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    record = (run.path / "run.json").read_bytes()
    assert train(tmp_path).path == run.path
    assert (run.path / "run.json").read_bytes() == record


def test_on_request_a_run_prints_what_the_command_prints(shown: tuple[gatelab.Run, str]) -> None:
    assert "120 used of 120" in shown[1]
    assert "macro-F1" in shown[1]


def test_a_frame_enters_the_identity_by_its_content_and_all_else_as_from_the_shell(run: gatelab.Run) -> None:
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ROWS)
    assert run.record.data is not None
    assert run.record.data.sha256 == {"train": [hashlib.sha256(lines.encode()).hexdigest()]}
    config = resolve(compose(run.record.command[1:]))
    assert run.identity == identity_of(config, run.record.data.sha256)
    assert run.record.command[1:3] == ["encoder=peephole", "trainer.max_epochs=2"]
    assert run.record.choices["encoder"] == "peephole"
    assert run.record.changed is not None
    assert run.record.changed["encoder.hidden_size"] == 4


def test_metrics_are_those_of_the_predictions(run: gatelab.Run) -> None:
    table = run.predictions
    assert [ROWS[line - 1][1] for line in table["line"]] == table["label"].tolist()
    assert run.metrics["test/macro_f1"] == pytest.approx(
        sk.f1_score(table["label"], table["prediction"], average="macro")
    )
    linear = table[[f"linear:{name}" for name in CLASSES]].to_numpy().argmax(1)
    assert run.baselines["linear"]["test/accuracy"] == (table["label"] == np.array(CLASSES)[linear]).mean()


def test_curves_have_a_row_an_epoch(run: gatelab.Run) -> None:
    rows = pd.read_csv(run.path / "metrics.csv")
    assert run.curves.index.tolist() == [0, 1]
    for name in ("train/loss_step", "validation/macro_f1"):
        expected = [rows[(rows["name"] == name) & (rows["epoch"] == epoch)]["value"].mean() for epoch in (0, 1)]
        assert run.curves[name].tolist() == pytest.approx(expected)
    assert not any(run.curves.columns.str.startswith("test/"))


def test_a_run_shows_its_headline_and_table_with_the_names_of_classes_as_text(run: gatelab.Run) -> None:
    page, text = run._repr_html_(), str(run)
    for word in ("test rows", "macro-F1", "peephole", "linear", "majority"):
        assert word in page
        assert word in text
    assert "[red]good" in page
    assert "&lt;b&gt;bad&lt;/b&gt;" in page
    assert "<b>bad" not in page


def test_runs_are_a_frame_of_settings_and_metrics_which_compare_takes(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    for seed, lstm, gru in ((1, 0.8, 0.7), (2, 0.9, 0.7), (3, 0.85, 0.75)):
        folders.write(seed, lstm, choices={"encoder": "lstm"})
        gru_settings = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}
        folders.write(seed, gru, choices={"encoder": "gru"}, settings=gru_settings)
    runs = gatelab.load_runs("sweep", output_dir=tmp_path)
    frame = runs.frame()
    assert frame.groupby("encoder")["test/accuracy"].mean().to_dict() == pytest.approx({"gru": 2.15 / 3, "lstm": 0.85})
    assert frame["seed"].tolist() == [1, 1, 2, 2, 3, 3]
    assert frame.index.tolist() == [run.identity for run in runs]
    assert gatelab.load_run(frame.index[0], tmp_path).path == runs[0].path
    assert "gru" in runs._repr_html_()
    assert str(runs[:0]) == "no runs"

    compared = gatelab.compare(frame[frame["seed"] < 3], by="encoder", metrics="accuracy")
    table = compared.frame().set_index("arm")
    assert table["difference"].to_dict() == pytest.approx({"lstm": np.nan, "gru": -0.15}, nan_ok=True)
    assert table["seeds"].tolist() == [2, 2]
    assert "gru" in compared._repr_html_()
    assert "gru" in compared.markdown()
    assert r"\toprule" in compared.latex()
    assert len(gatelab.compare(runs[2:], by="encoder", metrics=["accuracy"]).frame()) == 2
    with pytest.raises(gatelab.RunError, match="no column path"):
        gatelab.compare(frame.drop(columns="path"))
    with pytest.raises(gatelab.RunError, match="no such run"):
        gatelab.compare(frame.assign(path="elsewhere"))
    with pytest.raises(gatelab.RunError, match="no runs to compare"):
        gatelab.compare(runs[:0])
    for other in ("sweep", ["sweep"]):
        with pytest.raises(gatelab.RunError, match=r"takes runs, such as gatelab\.load_runs"):
            gatelab.compare(other)  # type: ignore[arg-type]
    assert len(gatelab.compare(runs, by="encoder", metrics="").frame()) == len(
        gatelab.compare(runs, by="encoder").frame()
    )


def test_a_model_predicts_what_its_run_predicted(run: gatelab.Run) -> None:
    table = run.predictions
    found = run.model.predict([ROWS[line - 1][0] for line in table["line"]])
    assert found["prediction"].tolist() == table["prediction"].tolist()
    columns = [f"probability:{name}" for name in CLASSES]
    np.testing.assert_allclose(found[columns], table[columns], atol=1e-5)


def test_a_model_reads_half_a_character_and_refuses_what_is_no_text(run: gatelab.Run) -> None:
    model: Any = run.model
    for read in (model.trace, lambda text: model.predict(["fine", text])):
        read("fine \ud83d film")
        for other, kind in ((float("nan"), "float"), (5, "int")):
            with pytest.raises(gatelab.RunError, match=f"{other}: is of type {kind}, and a model reads texts"):
                read(other)


def test_a_trace_has_every_gate_and_draws_it(run: gatelab.Run) -> None:
    trace = run.model.trace("a fine film, a dull one")
    assert trace.tokens == ["a", "fine", "film", ",", "a", "dull", "one"]
    gate, cell, hidden = (trace.values(name) for name in ("output_gate", "cell", "hidden"))
    np.testing.assert_allclose(hidden, gate * np.tanh(cell), atol=1e-6)
    last = run.model.predict("a fine film, a dull one")
    assert trace.predictions.iloc[-1].tolist() == pytest.approx(last.iloc[0, 2:].tolist())
    assert trace.prediction == last["prediction"][0]

    picture = trace.heatmap(layer=0, names=["forget_gate", "cell"])
    images = [axes.images[0] for axes in picture.axes if axes.images]
    for image, name in zip(images, ["forget_gate", "cell"], strict=True):
        np.testing.assert_array_equal(np.asarray(image.get_array()), trace.values(name).T)
    assert len([axes for axes in trace.heatmap().axes if axes.images]) == len(trace.names())
    for shown in (picture, trace):
        assert shown._repr_png_().startswith(b"\x89PNG")
    long = run.model.trace("fine " * 70).heatmap(names=["cell"]).axes[0]
    assert (len(long.get_xticks()), long.get_xlabel()) == (60, "the last 60 of 70 tokens")
    with pytest.raises(gatelab.RunError, match=r"layer=1, .*the model has l0"):
        trace.heatmap(layer=1)
    with pytest.raises(gatelab.RunError, match="Did you mean forget_gate"):
        trace.values("forget_gates")
    with pytest.raises(gatelab.RunError, match="text is empty"):
        run.model.trace(" ")


def test_predicted_names_stay_text_and_predicted_numbers_are_numbers(tmp_path: Path) -> None:
    folder = Folders(tmp_path).write(1, 0.5)
    for columns, label, prediction, kinds in (
        ("label,prediction,probability:1,probability:NA", "1", "NA", str),
        ("labels,predictions,probability:1,probability:NA", "1", "NA", str),
        ("target,prediction", "1", "1.5", (np.integer, np.floating)),
    ):
        more = ",0.25,0.75" if "probability" in columns else ""
        folder.predictions.write_text(f"file,line,tokens,{columns}\n7,2,3,{label},{prediction}{more}\n")
        row = gatelab.Run(folder).predictions.iloc[0]
        assert (row["file"], row["line"]) == ("7", 2)
        assert [str(value) for value in row.iloc[3:5]] == [label, prediction]
        assert all(isinstance(value, kinds) for value in row.iloc[3:5])
    folder.predictions.write_text("")
    with pytest.raises(gatelab.RunError, match=r"predictions\.csv: cannot be read"):
        _ = gatelab.Run(folder).predictions


def test_what_is_not_there_is_said_by_one_family_of_errors(tmp_path: Path) -> None:
    run = gatelab.Run(Folders(tmp_path).write(1, status="interrupted"))
    for ask in (lambda: run.model, lambda: run.predictions):
        with pytest.raises(gatelab.RunError, match=r"is interrupted"):
            ask()
    with pytest.raises(gatelab.UserError, match="no such run"):
        gatelab.load_run("ffff", tmp_path)
    with pytest.raises(gatelab.UserError, match="no runs of this name"):
        gatelab.load_runs("nothing", output_dir=tmp_path)
    with pytest.raises(gatelab.ConfigError, match=r"data=\[1,2\]: is no choice"):
        gatelab.train(data=[1, 2], encoder={"hidden_size": 4})
    with pytest.raises(gatelab.DataError, match=r"nothing\.csv: no such file"):
        gatelab.train("tracker=none", data={"path": tmp_path / "nothing.csv", "cache_dir": tmp_path / "cache"})
    with pytest.raises(gatelab.RunError, match="no place"), as_user_errors():
        raise PermissionError(13, "no place", "run.json")
    with pytest.raises(KeyboardInterrupt, match="same call resumes"), as_user_errors():
        raise Interrupted(signal.SIGINT)
    with pytest.raises(Interrupted), as_user_errors():
        raise Interrupted(signal.SIGTERM)


def test_importing_gatelab_imports_nothing_heavy_and_every_name_leads_somewhere() -> None:
    code = (
        "import sys, gatelab; print({*sys.modules} & {'torch', 'pandas', 'numpy', 'hydra', 'rich'}, len(dir(gatelab)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == f"set() {len(gatelab.__all__) + 1}"
    for name in gatelab.__all__:
        assert getattr(gatelab, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = gatelab.trian  # type: ignore[attr-defined]
