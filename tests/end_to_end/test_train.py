"""gatelab train and its companions, driven as a user drives them."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import Started, gatelab, the_run
from safetensors.torch import load_file
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from gatelab.config.schema import CONF_DIR
from gatelab.runs.folder import all_runs

ENCODERS = sorted(path.stem for path in (CONF_DIR / "encoder").glob("*.yaml"))
QUICK = [
    "trainer.max_epochs=2",
    "encoder.hidden_size=16",
    "model.embedding_size=16",
    "data.num_rows=600",
    "tracker=none",
    "report=false",
]

FAULTY_CELLS = """
from torch import tanh
from gatelab.recurrent import Cell

class Mixing(Cell):
    gates = ("candidate",)
    def update(self, a, c):
        return tanh(a.candidate) + c / 2
    def readout(self, c):
        return c - c.mean(1, keepdim=True)

class ByShape(Mixing):
    def readout(self, c):
        return c * len(c)

class OverRows(Mixing):
    pointwise = False
    def readout(self, c):
        return c - c.mean(0, keepdim=True)

class Detached(Mixing):
    pointwise = False
    def readout(self, c):
        return c * c.detach()
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A folder in which the default command has run, at its full size and with its tracker."""
    folder = tmp_path_factory.mktemp("trained")
    output = gatelab("train", f"data.cache_dir={cache_dir}", cwd=folder)
    (folder / "screen.txt").write_text(output)
    return folder


def test_the_default_command_trains_a_model_that_beats_the_linear_baseline(trained: Path) -> None:
    record = json.loads((the_run(trained) / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["metrics"]["accuracy"] >= 0.97
    assert record["metrics"]["accuracy"] - record["baselines"]["linear"]["accuracy"] >= 0.15
    page = (the_run(trained) / "report.html").read_text(encoding="utf-8")
    assert "above the linear baseline</h1>" in page
    screen = (trained / "screen.txt").read_text()
    assert re.search(r"lstm +┃ +linear +┃ +majority", screen)
    for word in ("linear", "majority", "F1 positive", "run folder", "wandb sync", "gatelab predict"):
        assert word in screen


def test_the_run_folder_holds_what_it_promises(trained: Path) -> None:
    run = the_run(trained)
    names = {"config.yaml", "run.json", "metrics.csv", "predictions.csv", "checkpoints", "model", "wandb"}
    names |= {"equations.json", "examples.json", "report.html", "figures"}
    assert names <= {path.name for path in run.iterdir()}
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt", "previous.ckpt"}
    assert {path.name for path in (run / "model").iterdir()} == {"model.safetensors", "config.json", "tokenizer.json"}
    assert list((run / "wandb").glob("offline-run-*/*.wandb"))
    for checkpoint in (run / "checkpoints").iterdir():
        torch.load(checkpoint, weights_only=True)
    record = json.loads((run / "run.json").read_text())
    assert {"identity", "seed", "data", "git", "versions", "hardware", "seconds", "metrics", "baselines"} <= set(record)
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert {"train/loss", "validation/macro_f1", "test/accuracy"} <= {row["name"] for row in rows}
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


def test_every_test_metric_also_comes_out_of_scikit_learn(trained: Path) -> None:
    run = the_run(trained)
    record = json.loads((run / "run.json").read_text())
    check_with_scikit_learn(run, record["metrics"], record["data"]["classes"])


def check_with_scikit_learn(run: Path, found: dict[str, Any], classes: list[str]) -> None:
    rows = list(csv.DictReader((run / "predictions.csv").open(encoding="utf-8")))
    labels, predictions = ([row[name] for row in rows] for name in ("label", "prediction"))
    scores = np.array([[float(row[f"probability:{name}"]) for name in classes] for row in rows])
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, predictions), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, predictions, average="macro"), abs=1e-6)
    indices = [classes.index(label) for label in labels]
    auroc = sk.roc_auc_score(indices, scores[:, 1] if len(classes) == 2 else scores, multi_class="ovr")
    assert found["auroc"] == pytest.approx(auroc, abs=1e-6)
    assert found["confusion_matrix"] == sk.confusion_matrix(labels, predictions, labels=classes).tolist()
    per_class = sk.precision_recall_fscore_support(labels, predictions, labels=classes, zero_division=0)
    for name, precision, recall, f1, support in zip(classes, *per_class, strict=True):
        values = found["per_class"][name]
        assert [values[key] for key in ("precision", "recall", "f1")] == pytest.approx(
            [precision, recall, f1], abs=1e-6
        )
        assert values["support"] == support
    confidence, right = scores.max(1), np.array(labels) == np.array(predictions)
    shares, means = calibration_curve(right, confidence, n_bins=15)
    counts = np.histogram(confidence, bins=np.linspace(0, 1, 16))[0]
    error = (np.abs(shares - means) * counts[counts > 0]).sum() / len(rows)
    assert found["calibration_error"] == pytest.approx(error, abs=1e-6)


def test_predictions_name_the_row_in_its_file(trained: Path, cache_dir: Path) -> None:
    rows = list(csv.DictReader((the_run(trained) / "predictions.csv").open()))
    source = (cache_dir / "sample" / rows[0]["file"]).read_text().splitlines()
    for row in rows[:50]:
        assert source[int(row["line"]) - 1].endswith("," + row["label"])


def test_a_finished_run_is_not_run_again(trained: Path, cache_dir: Path) -> None:
    before = (the_run(trained) / "run.json").read_bytes()
    output = gatelab("train", f"data.cache_dir={cache_dir}", cwd=trained)
    assert "already finished" in output
    assert "force=true" in output
    assert (the_run(trained) / "run.json").read_bytes() == before


def test_predict_answers_for_texts_and_for_tables(
    trained: Path, tmp_path: Path, write_csv: Callable[..., Path]
) -> None:
    run = the_run(trained)
    output = gatelab("predict", run.name[:4], "Although the film was lovely, the acting was awful.", cwd=trained)
    assert "negative" in output
    file = cache = write_csv([("a film", "x"), ("", "y"), ("a book", "x")], "in.csv")
    output = gatelab("predict", str(run), "--csv", str(file), "--out", str(tmp_path / "out.csv"), cwd=trained)
    assert "2 rows" in output
    assert "rows/s" in output
    assert "1 row rejected, the first at line 3: no text" in output
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert [row["line"] for row in rows] == ["2", "4"]
    assert cache.exists()


def test_predict_gives_the_probabilities_of_the_test(trained: Path, cache_dir: Path, tmp_path: Path) -> None:
    run = the_run(trained)
    expected = {row["line"]: row for row in csv.DictReader((run / "predictions.csv").open())}
    (sample,) = {str(cache_dir / "sample" / row["file"]) for row in expected.values()}
    gatelab("predict", str(run), "--csv", sample, "--out", str(tmp_path / "out.csv"), cwd=trained)
    found = {row["line"]: row for row in csv.DictReader((tmp_path / "out.csv").open())}
    for line, row in expected.items():
        assert float(found[line]["probability:positive"]) == pytest.approx(float(row["probability:positive"]), abs=1e-5)


def test_evaluate_gives_the_metrics_of_the_test_for_a_file_with_its_rows_and_leaves_other_labels_out(
    trained: Path, cache_dir: Path, write_csv: Callable[..., Path]
) -> None:
    run = the_run(trained)
    predictions = list(csv.DictReader((run / "predictions.csv").open()))
    (sample,) = {cache_dir / "sample" / row["file"] for row in predictions}
    lines = list(csv.reader(sample.open()))
    rows = [lines[int(row["line"]) - 1] for row in predictions]
    text, label = (lines[0].index(name) for name in ("text", "label"))
    file = write_csv(
        [("a film", "neutral"), *((row[label], row[text]) for row in rows)], header=("answer", "what was said")
    )
    columns = ["--text", "what was said", "--label", "answer"]
    output = gatelab("evaluate", f"default/{run.name[:4]}", "--csv", str(file), *columns, cwd=trained)
    assert f"{len(rows)} used of {len(rows) + 1} (0 rejected, 1 dropped by label)" in output
    (found,) = run.glob("evaluations/*/run.json")
    record, of_run = (json.loads(path.read_text()) for path in (found, run / "run.json"))
    assert record["metrics"]["confusion_matrix"] == of_run["metrics"]["confusion_matrix"]
    for key in ("accuracy", "macro_f1", "auroc", "calibration_error"):
        assert record["metrics"][key] == pytest.approx(of_run["metrics"][key], abs=1e-6)
    assert [row["line"] for row in csv.DictReader((found.parent / "predictions.csv").open())][:2] == ["3", "4"]
    page = (found.parent / "report.html").read_text(encoding="utf-8")
    assert f"The model of run default/{run.name} on another file." in page
    assert [folder.path for folder in all_runs(trained / "outputs")] == [run]


def test_runs_lists_what_ran_best_first(trained: Path, cache_dir: Path) -> None:
    gatelab("train", f"data.cache_dir={cache_dir}", "trainer=smoke", "tracker=none", "report=false", cwd=trained)
    lines = [line for line in gatelab("runs", cwd=trained).splitlines() if "finished" in line]
    assert len(lines) == 2
    scores = [float(line.split("│")[-5]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert "No runs in" in gatelab("runs", "nothing", cwd=trained)
    for run in trained.glob("outputs/*/*/run.json"):
        if json.loads(run.read_text())["epochs"] == 1:
            for path in sorted(run.parent.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            run.parent.rmdir()


def test_two_runs_of_one_config_are_the_same_bit_for_bit(tmp_path: Path, cache_dir: Path) -> None:
    runs = []
    for place in ("one", "two"):
        arguments = (f"output_dir={place}", f"data.cache_dir={cache_dir}", "model.dropout=0.5", "encoder.num_layers=2")
        gatelab("train", *QUICK, "data.num_rows=300", *arguments, "encoder.dropout=0.3", cwd=tmp_path)
        (record,) = tmp_path.glob(f"{place}/*/*/run.json")
        runs.append(record.parent)
    for name in ("metrics.csv", "predictions.csv", "model/model.safetensors"):
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes(), name
    assert load_file(runs[0] / "model" / "model.safetensors").keys()


def test_a_users_own_table_with_three_classes_trains(
    tmp_path: Path, cache_dir: Path, write_csv: Callable[..., Path]
) -> None:
    words = {"good": "great fine lovely", "bad": "awful poor sad", "meh": "okay average plain"}
    rows = [
        (f"{word} thing number {n}", label)
        for label, group in words.items()
        for word in group.split()
        for n in range(40)
    ]
    file = write_csv(rows, "own.csv", header=("what they said", "mood"))
    arguments = ["data=csv", f"data.path={file}", f"data.cache_dir={cache_dir}", "tracker=none", "trainer.max_epochs=3"]
    arguments += ["report=false", "encoder.hidden_size=16", "model.embedding_size=16"]
    output = gatelab(
        "train", *arguments, "encoder=gated", "encoder.bidirectional=true", "model.pooling=max", cwd=tmp_path
    )
    assert "text 'what they said', label 'mood'" in output
    record = json.loads((the_run(tmp_path) / "run.json").read_text())
    assert record["data"]["columns"]["text"] == "what they said"
    assert record["data"]["leakage"]["normalised"] == 0
    check_with_scikit_learn(the_run(tmp_path), record["metrics"], ["bad", "good", "meh"])


def test_a_multirun_runs_every_job_and_reports_a_failed_one(tmp_path: Path, cache_dir: Path) -> None:
    common = [
        "data.num_rows=600",
        "tracker=none",
        f"data.cache_dir={cache_dir}",
        "trainer=smoke",
        "baseline=none",
        "report=false",
    ]
    output = gatelab("train", "-m", "encoder.hidden_size=8,-1,9", *common, cwd=tmp_path, code=1)
    assert "encoder.hidden_size=-1" in output
    assert "3 runs: 2 done, 0 skipped (finished before), 1 failed" in output
    records = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/*/*/run.json")]
    assert [record["status"] for record in records] == ["finished", "finished"]


def write_table(file: Path, labels: tuple[str, ...]) -> None:
    rows = [f"{word} text number {n},{label}" for label, word in zip(labels, "abc", strict=True) for n in range(40)]
    file.write_text("\n".join(["text,label", *rows]) + "\n")


def test_labels_that_look_like_markup_are_text_in_a_multirun_and_its_comparison(
    tmp_path: Path, cache_dir: Path
) -> None:
    labels = ("[/b]", "[d]", "<b>")
    write_table(tmp_path / "table.csv", labels)
    common = ["data=csv", "data.path=table.csv", "trainer=smoke", "tracker=none", "report=false", f"data.cache_dir={cache_dir}"]  # fmt: skip
    swept = 'data.labels=["[/b]","[d]","<b>"],["<b>","[d]","[/b]"]'
    trained = gatelab("train", "-m", swept, *common, cwd=tmp_path)
    assert "2 runs: 2 done" in trained
    metrics = [f"per_class.{label}.f1" for label in labels]
    compared = gatelab("compare", "default", "--metric", ",".join(metrics), cwd=tmp_path)
    for label, metric in zip(labels, metrics, strict=True):
        assert trained.count(f"F1 {label} (") == 2, trained
        assert metric in compared
    arms = [str(list(order)) for order in (labels, labels[::-1])]
    assert all(arm in compared for arm in arms), compared
    assert "MarkupError" not in trained + compared


def test_a_renamed_file_is_named_as_it_is_called_now(tmp_path: Path, cache_dir: Path) -> None:
    write_table(tmp_path / "before.csv", ("yes", "no", "perhaps"))
    common = ["data=csv", "trainer=smoke", "tracker=none", "report=false", "baseline=none", f"data.cache_dir={cache_dir}"]  # fmt: skip
    assert "data    before.csv: text" in gatelab("train", "seed=1", "data.path=before.csv", *common, cwd=tmp_path)
    (tmp_path / "before.csv").rename(tmp_path / "after.csv")
    output = gatelab("train", "seed=2", "data.path=after.csv", *common, cwd=tmp_path)
    assert "data    after.csv: text" in output
    assert "before.csv" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encoder.hiden_size=3"], "encoder.hiden_size: unknown key. Did you mean encoder.hidden_size?"),
        (["encoder.hidden_size=-1"], "encoder.hidden_size=-1"),
        (["pooling=sum"], "Did you mean model.pooling?"),
        (["data=csv"], "data.path is not set"),
        (["data.path=a.csv"], "data.path: is no key of the chosen data=. Choose one that has it: data=csv or"),
        (["data=csv", "data.path=nowhere.csv"], "nowhere.csv: no such file"),
        (["encoder=["], "error:"),
    ],
)
def test_a_users_error_is_one_paragraph_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    output = gatelab("train", *arguments, cwd=tmp_path, code=2)
    assert message in output
    assert not list(tmp_path.glob("outputs/*"))


def test_ctrl_c_keeps_what_there_is_and_marks_the_run_interrupted(tmp_path: Path, cache_dir: Path) -> None:
    arguments = [*QUICK, f"data.cache_dir={cache_dir}", "trainer.max_epochs=500", "callbacks=none", "baseline=none"]
    with Started("train", *arguments, cwd=tmp_path) as process:
        while process.poll() is None and not list(tmp_path.glob("outputs/*/*/checkpoints/last.ckpt")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output = process.end(60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert f"Its folder is outputs/default/{the_run(tmp_path).name}; gatelab runs default lists it." in output
    assert json.loads((the_run(tmp_path) / "run.json").read_text())["status"] == "interrupted"
    assert (the_run(tmp_path) / "checkpoints" / "last.ckpt").exists()
    assert "interrupted" in gatelab("runs", cwd=tmp_path)


def test_a_run_that_breaks_is_marked_failed_with_its_log(tmp_path: Path, cache_dir: Path) -> None:
    arguments = [*QUICK, f"data.cache_dir={cache_dir}", "encoder._target_=torch.nn.Identity"]
    gatelab("train", *arguments, cwd=tmp_path, code=2)
    assert json.loads((the_run(tmp_path) / "run.json").read_text())["status"] == "failed"


def test_data_reports_what_is_in_the_notebooks_file(real_data: Path, tmp_path: Path) -> None:
    output = gatelab("data", str(real_data / "gop_debate" / "Sentiment.csv.zip"), cwd=tmp_path)
    for fact in ("13,871", "8,493", "3,142", "2,236", "131 texts with several labels", "95.2%"):
        assert fact in output
    (line,) = [line for line in output.splitlines() if line.startswith("random split")]
    leak = float(line.split("word for word (")[1].split("%")[0])
    assert 26 <= leak <= 30


def test_the_notebooks_file_trains_from_its_zip(real_data: Path, tmp_path: Path, cache_dir: Path) -> None:
    path = real_data / "gop_debate" / "Sentiment.csv.zip"
    common = ["trainer=smoke", "tracker=none", "baseline=none", "report=false", f"data.cache_dir={cache_dir}", f"data.path={path}"]  # fmt: skip
    gatelab("train", "data=csv", "data.labels=[Negative,Positive]", *common, cwd=tmp_path)
    record = json.loads((the_run(tmp_path) / "run.json").read_text())
    assert sum(record["data"]["split_sizes"].values()) == 10_729
    gatelab("train", "data=gop_debate", *common, cwd=tmp_path)


@pytest.mark.parametrize("command", ["train", "predict", "report", "data", "runs", "cell", "show"])
def test_help_is_worth_reading(command: str, tmp_path: Path) -> None:
    output = gatelab(command, "--help", cwd=tmp_path)
    assert f"gatelab {command}" in output


def test_python_m_gatelab_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "gatelab", "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"gatelab {metadata.version('gatelab')}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["runs"], ["train", "--cfg", "job"]])
def test_light_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom gatelab.cli import app\n"
        f"try:\n    app({arguments!r})\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'pandas', 'sklearn', 'wandb', 'pytorch_lightning') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_readmes_own_encoder_trains_and_predicts(tmp_path: Path, cache_dir: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(readme.split("```python\n")[1].split("```")[0])
    (tmp_path / "my" / "encoder").mkdir(parents=True)
    (tmp_path / "my" / "encoder" / "convolution.yaml").write_text(readme.split("```yaml\n")[1].split("```")[0])
    arguments = ["--config-dir", "my", "encoder=convolution", "model.pooling=max", "trainer=smoke", "tracker=none"]
    arguments += ["baseline=none", "report=false", f"data.cache_dir={cache_dir}"]
    assert "allow_targets=[mine]" in gatelab("train", *arguments, cwd=tmp_path, code=2)
    gatelab("train", *arguments, "allow_targets=[mine]", cwd=tmp_path)
    run = the_run(tmp_path).name
    assert "--allow-targets mine" in gatelab("predict", run, "a lovely film", cwd=tmp_path, code=2)
    assert "positive" in gatelab("predict", run, "a lovely film", "--allow-targets", "mine", cwd=tmp_path)


def test_the_readmes_own_cell_is_checked_and_trains(tmp_path: Path, cache_dir: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split("## Your own cell")[1]
    (tmp_path / "mine.py").write_text(readme.split("```python\n")[1].split("```")[0])
    (tmp_path / "conf" / "encoder").mkdir(parents=True)
    (tmp_path / "conf" / "encoder" / "leaky.yaml").write_text(readme.split("```yaml\n")[1].split("```")[0])
    commands = [line.split("#")[0].split() for line in readme.splitlines() if line.startswith("    gatelab ")]
    check, train = commands[:2]
    output = gatelab(*check[1:], cwd=tmp_path)
    for part in ("f_t = σ(W_f x_t + U_f h_{t−1} + b_f)", "h_t = tanh(c_t)", "66,048", "nn.LSTM's"):
        assert part in output
    assert "FAILED" not in output
    quick = ["trainer=smoke", "tracker=none", "baseline=none", f"data.cache_dir={cache_dir}"]
    assert "allow_targets=[mine]" in gatelab(*train[1:-1], *quick, cwd=tmp_path, code=2)
    assert "leaky" in gatelab("train", "encoder=nope", cwd=tmp_path, code=2)
    misspelt = gatelab(*train[1:], "encoder.hiden_size=3", cwd=tmp_path, code=2)
    assert "encoder.hiden_size: unknown key. Did you mean encoder.hidden_size?" in misspelt
    shutil.move(tmp_path / "conf", tmp_path / "elsewhere")
    assert misspelt == gatelab(
        "train", "--config-dir", "elsewhere", *train[2:], "encoder.hiden_size=3", cwd=tmp_path, code=2
    )
    shutil.move(tmp_path / "elsewhere", tmp_path / "conf")
    gatelab(*train[1:], *quick, cwd=tmp_path)
    run = the_run(tmp_path)
    equations = json.loads((run / "equations.json").read_text(encoding="utf-8"))
    assert [equation["text"] for equation in equations][-1] == "h_t = tanh(c_t)"
    assert '<section id="cell">' in (run / "report.html").read_text(encoding="utf-8")
    assert "forget_gate" in " ".join(np.load(run / "figures" / "gates" / "1.npz").files)
    assert "positive" in gatelab("predict", run.name, "a lovely film", "--allow-targets", "mine", cwd=tmp_path)


def test_a_cell_that_breaks_a_promise_is_named_with_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FAULTY_CELLS)
    output = gatelab("cell", "mine.Mixing", cwd=tmp_path, code=1)
    assert "mine.py, line 10: return c - c.mean(1, keepdim=True)" in output
    assert "set pointwise = False" in output
    for name, sentence in {
        "ByShape": "the fused loop differs from the equations",
        "OverRows": "rows in one batch differ from each by itself",
        "Detached": "its gradients are not those of finite differences",
    }.items():
        assert f"{name}: {sentence}" in gatelab("cell", f"mine.{name}", cwd=tmp_path, code=1)


def test_what_is_no_cell_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("number = 1\n")
    (tmp_path / "broken.py").write_text("class Leaky(:\n")
    for arguments, sentence in {
        ("LSTN",): "LSTN: is no shipped cell. Did you mean LSTM?",
        ("../mine",): "../mine: is no shipped cell.",
        ("mine.number",): "mine.number: is no Cell.",
        ("LSTM", "coupled=["): "coupled=[: cannot be read (while parsing a flow node). Write KEY=VALUE",
        ("mine.Leaky",): "mine.Leaky: cannot be found",
        ("broken.Leaky",): "broken.py, line 1: invalid syntax",
        ("LSTM", "peepholes"): "peepholes: is no setting. Give KEY=VALUE",
        ("LSTM", "coupled=both"): 'coupled must be "input", "forget" or none at all, not both',
    }.items():
        assert sentence in gatelab("cell", *arguments, cwd=tmp_path, code=2)


def test_on_a_terminal_one_line_moves_with_loss_metric_and_time_left(tmp_path: Path, cache_dir: Path) -> None:
    arguments = [*QUICK, "data.num_rows=100", f"data.cache_dir={cache_dir}", "baseline=none", "data.batch_size=1"]
    command = [sys.executable, "-m", "gatelab.cli", "train", *arguments]
    terminal = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "120"}  # which are read when the screen is imported
    output = subprocess.run(command, cwd=tmp_path, env=terminal, capture_output=True, text=True, check=True).stdout
    for part in ("epoch 2/2", "loss 0.", "macro-F1 0.", "left"):
        assert part in output


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("gatelab train encoder=g", 2, ["encoder=gated", "encoder=gru", "encoder=gru_2014", "encoder=gru_open"]),
        ("gatelab train encoder = g", 4, ["gated", "gru", "gru_2014", "gru_open"]),
        ("gatelab train encoder =", 3, ENCODERS),
        ("gatelab train data.split.b", 2, ["data.split.by="]),
    ],
)
def test_tab_completes_keys_and_choices(words: str, position: int, expected: list[str], tmp_path: Path) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(position), "_GATELAB_COMPLETE": "complete_bash"}
    code = "import sys; sys.argv = ['gatelab']; from gatelab.cli import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **asked}, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == expected


@pytest.mark.long
def test_a_glob_trains_every_encoder(tmp_path: Path, cache_dir: Path) -> None:
    arguments = [
        "-m",
        "encoder=glob(*)",
        "trainer=smoke",
        "data.num_rows=200",
        "encoder.hidden_size=4",
        "model.embedding_size=4",
        "tracker=none",
        "baseline=none",
        "report=false",
    ]
    gatelab("train", *arguments, f"data.cache_dir={cache_dir}", cwd=tmp_path)
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/default/*/run.json")]
    assert [run["status"] for run in runs] == ["finished"] * len(ENCODERS)


def test_a_cell_that_contradicts_itself_is_refused_before_any_data_is_read(tmp_path: Path) -> None:
    output = gatelab("train", "encoder=no_forget_gate", "encoder.coupled=input", "tracker=none", cwd=tmp_path, code=2)
    assert "encoder: coupled=input ties the input and the forget gate, but forget_gate=false takes one away" in output
    assert "rows " not in output
    assert not list(tmp_path.glob("outputs/*/*"))


TEXT = "I had expected that the music felt dreadful, and found that it seemed zorping brilliant."


def test_gates_draws_a_text_and_keeps_the_numbers_of_the_figure(trained: Path) -> None:
    run = the_run(trained)
    output = gatelab("gates", run.name, TEXT, cwd=trained)
    assert "prediction  positive" in output
    svg = (run / "figures" / "gates.svg").read_text()
    assert svg.startswith("<?xml")
    assert "http://www.w3.org/2000/svg" in svg
    gates = np.load(run / "figures" / "gates.npz")  # without pickle
    assert gates["tokens"].tolist() == [*TEXT[:-1].replace(",", " ,").split(), "."]
    assert gates["tokens"][gates["unknown"]].tolist() == ["zorping"]
    i, f, o, candidate, c, h = (
        gates[f"l0.{name}"] for name in ("input_gate", "forget_gate", "output_gate", "candidate", "cell", "hidden")
    )
    before = np.concatenate([np.zeros_like(c[:1]), c[:-1]])
    np.testing.assert_allclose(c, f * before + i * candidate, atol=1e-5)
    np.testing.assert_allclose(h, o * np.tanh(c), atol=1e-5)
    table = gatelab("predict", run.name, TEXT, cwd=trained)
    assert f"{gates['probabilities'][-1, list(gates['classes']).index('positive')]:.4f}" in table
    head = load_file(run / "model" / "model.safetensors")["head.weight"].numpy()
    direction = (head[1] - head[0]) * (1 if gates["probabilities"][-1].argmax() == 1 else -1)
    carried = h[-1] * direction
    assert gates["units"].tolist() == np.argsort(-np.abs(carried))[:8].tolist()
    np.testing.assert_allclose(gates["contributions"], carried[gates["units"]], rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a text", "--out", "picture.jpg"], "the figure is a .svg, .pdf, .png file, not .jpg"),
        (["a text", "--out", "nowhere/picture.png"], "there is no folder nowhere"),
        (["  "], "The text is empty"),
    ],
)
def test_gates_refuses_what_it_cannot_draw(arguments: list[str], sentence: str, trained: Path) -> None:
    assert sentence in gatelab("gates", the_run(trained).name, *arguments, cwd=trained, code=2)


def test_gates_of_two_layers_in_both_directions_and_of_none_at_all(tmp_path: Path, cache_dir: Path) -> None:
    arguments = [
        "trainer=smoke",
        f"data.cache_dir={cache_dir}",
        "baseline=none",
        "data.num_rows=200",
        "tracker=none",
        "report=false",
    ]
    two = ["encoder=coupled", "encoder.num_layers=2", "encoder.bidirectional=true", "model.pooling=mean"]
    gatelab("train", *arguments, *two, "output_dir=both", cwd=tmp_path)
    (run,) = tmp_path.glob("both/*/*/run.json")
    gatelab("gates", str(run.parent), "a lovely film", "--out", "both.png", cwd=tmp_path)
    gates = np.load(tmp_path / "both.npz")
    assert {name.split(".")[0] for name in gates if "." in name} == {"l0", "l0_reverse", "l1", "l1_reverse"}
    np.testing.assert_allclose(gates["l1.forget_gate"], 1 - gates["l1.input_gate"], atol=1e-6)
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    gatelab("train", *arguments, "encoder=gru", "output_dir=gru", cwd=tmp_path)
    (run,) = tmp_path.glob("gru/*/*/run.json")
    gatelab("gates", str(run.parent), "a lovely film", "--out", "gru.png", cwd=tmp_path)
    assert np.load(tmp_path / "gru.npz")["learned"].tolist() == ["reset_gate", "update_gate"]
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\nclass Words(nn.Linear):\n    output_size = 4\n\n    def __init__(self, input_size):\n"
        "        super().__init__(input_size, 4)\n\n    def forward(self, x, lengths):\n        return super().forward(x), None\n"
    )
    words = ["~encoder", "+encoder._target_=mine.Words", "allow_targets=[mine]"]
    gatelab("train", *arguments, *words, "output_dir=none", cwd=tmp_path)
    (run,) = tmp_path.glob("none/*/*/run.json")
    allowed = ["--allow-targets", "mine"]
    output = gatelab("gates", str(run.parent), "a lovely film", *allowed, cwd=tmp_path, code=2)
    assert "Words has no gates to read: train with one of gatelab's encoders, such as encoder=lstm" in output


@pytest.mark.parametrize("encoder", ["lstm", "peephole", "layer_norm", "gru"])
def test_a_run_trains_in_mixed_precision(encoder: str, tmp_path: Path, cache_dir: Path) -> None:
    arguments = [*QUICK, "trainer.max_epochs=1", "data.num_rows=150", f"data.cache_dir={cache_dir}", "baseline=none"]
    arguments += ["encoder.bidirectional=true", "encoder.num_layers=2"]
    gatelab("train", *arguments, f"encoder={encoder}", "trainer.precision=bf16-mixed", cwd=tmp_path)
    record = json.loads((the_run(tmp_path) / "run.json").read_text())
    assert record["status"] == "finished"
    assert gatelab("predict", the_run(tmp_path).name, "a lovely film", cwd=tmp_path)


@pytest.mark.parametrize(
    "override",
    [
        "encoder._target_=os.system",
        "optimizer._target_=builtins.eval",
        "+callbacks.evil={_target_:gatelab.training.run.os.system,_args_:['touch hacked']}",
        "+hydra.callbacks.evil={_target_:os.system,_args_:['touch hacked']}",
    ],
)
def test_a_config_that_names_a_command_is_refused_before_anything_runs(override: str, tmp_path: Path) -> None:
    gatelab("train", override, "tracker=none", cwd=tmp_path, code=2)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["outputs"])
    assert not list(tmp_path.glob("outputs/*"))
