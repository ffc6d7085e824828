"""report.html and its pictures, read as files; test_page_in_browser.py opens them."""

import base64
import csv
import hashlib
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import gatelab
from numpy.typing import NDArray
from page_tables import Tables
from sklearn import metrics as sk

from gatelab.errors import RunError, RunStopped
from gatelab.reports.pages import run_page as module
from gatelab.reports.pages.facts import cost_facts, data_facts, repeat_commands
from gatelab.reports.pages.run_answer import answer_finished
from gatelab.reports.pages.run_page import reported, write_report
from gatelab.runs.folder import RunFolder
from gatelab.runs.record import Data, RunRecord


@pytest.fixture
def run(hostile_run: Path, tmp_path: Path) -> RunFolder:
    """A copy of the run, to be spoilt."""
    return RunFolder(shutil.copytree(hostile_run, tmp_path / "default" / hostile_run.name))


def predictions(run: Path, kind: str = "probability") -> tuple[list[str], NDArray[Any], NDArray[Any], NDArray[Any]]:
    rows = list(csv.DictReader((run / "predictions.csv").open(encoding="utf-8", newline="")))
    classes = [name.split(":", 1)[1] for name in rows[0] if name.startswith(f"{kind}:")]
    scores = np.array([[float(row[f"{kind}:{name}"]) for name in classes] for row in rows])
    labels = np.array([classes.index(row["label"]) for row in rows])
    return classes, labels, scores, np.array([int(row["tokens"]) for row in rows])


def change(run: RunFolder, **values: Any) -> str:
    """The page of the run with other entries in run.json."""
    record = json.loads(run.record_file.read_text(encoding="utf-8"))
    run.record_file.write_text(json.dumps({**record, **values}), encoding="utf-8")
    write_report(run, gates=False)
    return run.report.read_text(encoding="utf-8")


def test_the_numbers_on_the_page_are_scikit_learns(hostile_run: Path) -> None:
    tables = Tables((hostile_run / "report.html").read_text(encoding="utf-8")).rows
    classes, labels, scores, tokens = predictions(hostile_run)
    predicted = scores.argmax(1)
    names = [name.replace("\u202e", "⟨U+202E⟩") for name in classes]

    answer = {row[0]: row[1].split()[0] for row in tables["Test metrics"]}
    assert answer["accuracy"] == f"{sk.accuracy_score(labels, predicted):.4f}"
    assert answer["macro-F1"] == f"{sk.f1_score(labels, predicted, average='macro'):.4f}"
    assert answer["AUROC"] == f"{sk.roc_auc_score(labels, scores, multi_class='ovr'):.4f}"

    by_class = {row[0]: row[1:] for row in tables["By class"][1:]}
    counted = sk.precision_recall_fscore_support(labels, predicted, zero_division=0)
    for k, (name, precision, recall, f1, support) in enumerate(zip(names, *counted, strict=True)):
        average = sk.average_precision_score(labels == k, scores[:, k])
        found = by_class[name]
        assert found[:4] == [str(support), f"{precision:.4f}", f"{recall:.4f}", f"{f1:.4f}"]
        assert found[5] == f"{average:.4f}"

    headings, titles, *lines, totals = tables["Confusion matrix"]
    assert (headings[1], titles[0], titles[-1], totals[0]) == ("prediction", "label", "all", "all")
    matrix = [[int(cell.split()[0]) for cell in row[1:-1]] for row in lines]
    assert matrix == sk.confusion_matrix(labels, predicted).tolist()
    share = sk.confusion_matrix(labels, predicted, normalize="true")[0, 0]
    assert lines[0][1].split()[1] == f"{share:.1%}"
    sizes = np.bincount(labels, minlength=len(names)), np.bincount(predicted, minlength=len(names))
    assert [[row[-1] for row in lines], totals[1:-1]] == [[f"{size:,}" for size in found] for found in sizes]
    assert totals[-1] == f"{len(labels):,}"

    for row in tables["By length in tokens"][1:]:
        low, high = (int(end) for end in (row[0].split("–") * 2)[:2])
        inside = (tokens >= low) & (tokens <= high)
        assert row[1] == str(inside.sum())
        assert row[2] == f"{sk.accuracy_score(labels[inside], predicted[inside]):.4f}"
        assert row[4] == f"{sk.f1_score(labels[inside], predicted[inside], average='macro'):.4f}"


def test_the_linear_baselines_columns_give_its_metrics(hostile_run: Path) -> None:
    found = json.loads((hostile_run / "run.json").read_text(encoding="utf-8"))["baselines"]["linear"]
    _, labels, scores, _ = predictions(hostile_run, "linear")
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, scores.argmax(1)), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, scores.argmax(1), average="macro"), abs=1e-6)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(labels, scores, multi_class="ovr"), abs=1e-5)


def test_the_rows_to_look_at_name_their_line_in_the_source_file(hostile_run: Path) -> None:
    source = list(csv.reader((hostile_run.parents[2] / "hostile.csv").open(encoding="utf-8", newline="")))
    for rows in json.loads((hostile_run / "examples.json").read_text(encoding="utf-8")).values():
        for row in rows:
            text, label = source[row["line"] - 1]
            assert (text[:10_000], len(text), label) == (row["text"], row["characters"], row["label"])


def test_the_words_that_changed_the_probability_most_are_tinted_in_the_first_rows_listed(hostile_run: Path) -> None:
    page, listed, found = (hostile_run / "report.html").read_text(encoding="utf-8"), 0, 0
    for rows in json.loads((hostile_run / "examples.json").read_text(encoding="utf-8")).values():
        for row in (row for row in rows[:10] if "spans" in row):
            listed += 1
            assert len(row["running"]) == len(row["spans"]) == row["tokens"] <= 60
            assert row["running"][-1] == pytest.approx(row["probability"], abs=1e-3)
            if row["tokens"] < 2:
                continue
            most = max(
                range(1, row["tokens"]), key=lambda place: abs(row["running"][place] - row["running"][place - 1])
            )
            change, (begin, end) = row["running"][most] - row["running"][most - 1], row["spans"][most]
            word = row["text"][begin:end]
            if change and word.isascii() and word.isalpha():
                found += 1
                assert f'<span class="d{10 if change > 0 else 0}">{word}</span>' in page
    assert listed > 10
    assert found


def test_the_policy_allows_the_one_style_and_the_one_script_alone(hostile_run: Path) -> None:
    page = (hostile_run / "report.html").read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;;" in policy[1]
    assert "unsafe" not in policy[1]
    assert "default-src &#39;none&#39;" in policy[1]
    assert not re.search(
        r"<[a-z][^>]*\s(style|on[a-z]+|src)=", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    )


def test_a_page_of_25_000_rows_with_long_texts_is_under_three_megabytes(run: RunFolder) -> None:
    lines = run.predictions.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = (lines[1:] * (25_000 // (len(lines) - 1) + 1))[:25_000]
    run.predictions.write_text(lines[0] + "".join(rows), encoding="utf-8")
    examples = json.loads(run.examples.read_text())
    for name, listed in examples.items():
        examples[name] = [{**row, "text": "語" * 10_000, "characters": 10_000} for row in (listed * 100)[:100]]
    run.examples.write_text(json.dumps(examples))
    write_report(run, gates=False)
    assert "on 25,000 test rows" in run.report.read_text(encoding="utf-8")
    assert run.report.stat().st_size < 3_000_000


def test_a_run_that_died_has_a_page_of_what_there_is(run: RunFolder) -> None:
    for gone in (run.predictions, run.examples):
        gone.unlink()
    shutil.rmtree(run.figures)
    page = change(run, status="running", metrics=None)
    assert "lstm was interrupted after 3 epochs" in page
    assert "<h2>Learning curves</h2>" in page
    assert "<h2>Test</h2>" not in page
    assert not run.figures.exists()
    run.metrics.unlink()
    assert "lstm was interrupted before its first validation" in change(run)


def test_a_failed_run_says_why_as_text(run: RunFolder) -> None:
    run.predictions.unlink()
    page = change(run, status="failed", error="RunError: <script>\u202e")
    assert 'RunError: &lt;script&gt;<span class="control">⟨U+202E⟩</span>' in page


def test_a_report_that_cannot_be_written_changes_nothing_of_the_run(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("no reason")

    monkeypatch.setattr(module, "write_report", broken)
    with reported(run), run.recorded(True):
        pass
    assert run.status == "finished"
    with pytest.raises(RunStopped), reported(run), run.recorded(True):
        raise RunStopped("enough")
    assert run.status == "interrupted"
    assert capsys.readouterr().out.count("could not be written (ZeroDivisionError: no reason). gatelab report") == 2


def test_gatelab_report_writes_the_page_and_the_pictures_again(run: RunFolder) -> None:
    page = run.report.read_bytes()
    run.report.unlink()
    for number in (2, 3, 4):
        (run.gates / f"{number}.npz").unlink()
    output = gatelab("report", run.path.name[:5], "--output-dir", str(run.path.parents[1]), cwd=run.path)
    assert f"report      {run.report}" in output
    assert f"figures     {run.figures}, 20 files" in output
    assert {file.name for file in run.gates.iterdir()} == {"1.npz", "1.svg", "1.pdf", "1_units.svg", "1_units.pdf"}
    assert page.startswith(run.report.read_bytes().split(b'<section id="gates">')[0])


@pytest.mark.parametrize(
    "damaged",
    [
        "run.json",
        "metrics.csv",
        "predictions.csv",
        "examples.json",
        "equations.json",
        "figures/gates/1.npz",
        "gates.npz",
    ],
)
def test_a_damaged_file_is_named(damaged: str, run: RunFolder) -> None:
    (run.path / damaged).write_text('{"x": 1,\n')
    with pytest.raises(RunError, match=f"{damaged}: "):
        write_report(run)


def test_pictures_fit_a_papers_column_with_their_fonts_and_are_the_same_bytes_again(run: RunFolder) -> None:
    before = {file: file.read_bytes() for file in run.figures.glob("*.*")}
    assert {file.name for file in before} == {
        f"{name}.{kind}"
        for name in ("learning_curves", "precision_recall", "calibration", "confusion_matrix")
        for kind in ("svg", "pdf")
    }
    write_report(run, gates=False)
    for file, content in before.items():
        assert file.read_bytes() == content, file.name
        if file.suffix == ".pdf":
            width = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)
            assert width is not None
            assert float(width[1]) == pytest.approx(3.3 * 72)
            assert b"/FontFile2" in content
            assert b"/Type3" not in content
        else:
            assert b"<text" not in content  # letters are paths: no font is asked for


def metrics(macro_f1: float) -> dict[str, Any]:
    values = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 40}
    return {"macro_f1": macro_f1, "accuracy": 0.5, "auroc": 0.5, "calibration_error": 0.1, "per_class": {"a": values}}


@pytest.mark.parametrize(
    ("linear", "bounds", "sentence", "told"),
    [
        (
            0.84,
            (-0.05, -0.01),
            "lstm 0.8104 macro-F1 on 3,540 test rows, 0.0296 below the linear baseline",
            "does not contain 0",
        ),
        (
            0.80,
            (-0.01, 0.03),
            "lstm 0.8104 macro-F1 on 3,540 test rows, not clearly different from the linear baseline",
            "which contains 0",
        ),
        (
            0.8104,
            (-0.01, 0.01),
            "lstm 0.8104 macro-F1 on 3,540 test rows, level with the linear baseline",
            "which contains 0",
        ),
    ],
)
def test_the_first_sentence_says_what_came_out(
    linear: float, bounds: tuple[float, float], sentence: str, told: str
) -> None:
    baselines = {"linear": metrics(linear), "majority": metrics(0.4)}
    answer = answer_finished(
        RunRecord.model_validate({"metrics": metrics(0.8104), "baselines": baselines}),
        "lstm",
        3540,
        {"model - linear": {"macro_f1": bounds}},
    )
    assert answer.sentence == sentence
    assert told in answer.detail
    assert answer.columns == ["lstm", "linear baseline", "lstm − linear", "majority class"]
    alone = answer_finished(RunRecord.model_validate({"metrics": metrics(0.8104)}), "lstm", 3540, {})
    assert alone.sentence == "lstm 0.8104 macro-F1 on 3,540 test rows"
    assert "baseline=none" in alone.detail


def test_the_command_can_be_pasted_into_a_shell() -> None:
    words = ["data.path=my file's.csv", "data.labels=[Negative,Positive]", "-m", "seed=1,2"]
    record = {"command": ["/somewhere/bin/gatelab", *words], "identity": "0123456789", "status": "finished"}
    line, again = repeat_commands(RunRecord.model_validate(record))
    assert shlex.split(line) == ["gatelab", "train", *words]
    assert again == "gatelab reproduce 0123456789"
    assert repeat_commands(RunRecord(command=["gatelab", "train", "seed=1"], status="interrupted")) == [
        "gatelab train seed=1"
    ]


def test_time_memory_and_energy_stand_there_as_far_as_they_were_measured() -> None:
    used = {
        "cpu_seconds": 75.2, "peak_memory_bytes": 3 * 2**29, "peak_gpu_memory_bytes": None,
        "energy_joules": {"package-0": 1234.5},
    }  # fmt: skip
    record = {"seconds": 3725.0, "epochs": 1, "started": "2026-01-02T03:04:05+00:00", "resources": used}
    assert cost_facts(RunRecord.model_validate(record)) == [
        ("time", "1 h 2 min"), ("training", "1 epoch"), ("processor time", "1 min 15 s"), ("peak memory", "1.5 GiB"),
        ("energy", "package-0 1,234 J, of the whole machine"), ("started", "2026-01-02 03:04:05 UTC"),
    ]  # fmt: skip


def test_unknown_tokens_and_lengths_stand_among_the_facts_of_the_data_and_nothing_where_an_older_run_has_none() -> None:
    counted = {
        "tokenizer": "bpe", "vocab_size": 900, "num_tokens": 7, "unknown_share": {"train": 0.0, "test": 0.0123},
        "lengths": {"0": 1, "50": 12, "100": 1500}, "cut_share": 0.05,
    }  # fmt: skip
    assert data_facts(Data.model_validate(counted), {}) == [
        ("vocabulary", "900 subwords, fitted on the training rows; 7 tokens in all"),
        ("unknown tokens", "train 0.00%, test 1.23%"), ("tokens a text", "1 (0 %), 12 (50 %), 1,500 (100 %); 5.00% of the texts are cut"),
    ]  # fmt: skip
    foreign = data_facts(Data(tokenizer="file", vocab_size=9, num_tokens=3), {})
    assert foreign == [("vocabulary", "9 tokens, of data.tokenizer.file; 3 tokens in all")]
    older = data_facts(Data(vocab_size=2, num_tokens=3), {})
    assert older == [("vocabulary", "2 words, fitted on the training rows; 3 tokens in all")]


def test_a_broken_model_is_called_so_on_the_screen_and_on_its_page(broken_run: Path) -> None:
    screen, page = (broken_run / "screen.txt").read_text(), (broken_run / "report.html").read_text()
    epochs, end = screen.split("test, ", 1)
    for part in (epochs, end):
        assert re.search(r"caution: +validation loss \S+ is far above ln 2 = 0.69", part)
        assert re.search("caution: +only one class is predicted", part)
    assert max(map(len, re.findall(r"loss (\S+)", screen))) <= 10
    cautions = page.split('<ul class="cautions">')[1].split("</ul>")[0]
    for sentence in ("The model looks broken", "only one class is predicted", "not a number: they are gaps"):
        assert sentence in cautions


def test_what_is_no_number_is_drawn_as_nothing(broken_run: Path) -> None:
    page = (broken_run / "report.html").read_text()
    shapes = r'(?:x|y|cx|cy|d|points|width|height|fill-opacity|transform)="([^"]*)"'
    assert not [value for value in re.findall(shapes, page) if "nan" in value or "inf" in value]
    bands = re.findall(r'<g class="band">(.*?)</g>', page)
    assert bands
    assert not any(bands)


def test_what_is_no_number_is_said_in_words(broken_run: Path) -> None:
    content = (broken_run / "report.html").read_text().split("</style>")[1].split("<script>")[0]
    assert not re.findall(r".{40}\bnan\b.{20}", content, re.IGNORECASE)
    (gates,) = re.findall('<section id="gates">.*?</section>', content, re.DOTALL)
    for part in (">not a number</text>", "forget not a number", "gaps: not a number"):
        assert re.search(part, gates, re.IGNORECASE)
