"""gatelab evaluate: a finished run's model on another labelled table or text; its metrics, predictions and page, in RUN/evaluations/<digits>/."""

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gatelab.commands.predict import finished
from gatelab.config.settle import settle
from gatelab.errors import RunError
from gatelab.runs.config import read_config, write_config
from gatelab.runs.folder import RunFolder, own
from gatelab.runs.provenance import provenance
from gatelab.runs.shell import command_on
from gatelab.screen import console

if TYPE_CHECKING:
    from gatelab.config.schema import Config
    from gatelab.data.read import TrainedOn
    from gatelab.tasks.base import Task

# Entries of run.json.
FROM_RUN = ("identity", "seed", "choices", "changed", "monitor", "weights", "parameters", "calibration")


def evaluate(
    run: str, output_dir: Path, *, table: Path | None = None, plain_text: Path | None = None, text: Sequence[str] = (),
    label: Sequence[str] = (), encoding: str | None = None, allow_targets: Sequence[str] = (),
) -> None:  # fmt: skip
    """Print the metrics, and write the folder, again where it is there. table, or of a language model plain_text.

    Raises RunError where the other of the two is needed, or there is no finished run, DataError for a file that cannot be used, ConfigError for a ``_target_`` that may not
    be built.
    """
    from gatelab.reports.pages.facts import calibration_fact
    from gatelab.reports.pages.run_page import write_report
    from gatelab.reports.terminal.result import result_table

    recorded = finished(run, output_dir)
    folder = evaluated(
        recorded, table, plain_text, text=text, label=label, encoding=encoding, allow_targets=allow_targets
    )
    console.print(result_table(folder))
    if said := calibration_fact(folder.record):
        console.print(f"calibration {said}", soft_wrap=True)
    page, *_ = write_report(folder)
    if folder.predictions.exists():
        console.print(f"predictions {folder.predictions}", soft_wrap=True)
    console.print(f"report      {page}", soft_wrap=True)


def evaluated(
    run: RunFolder,
    table: Path | None,
    plain_text: Path | None,
    *,
    text: Sequence[str],
    label: Sequence[str],
    encoding: str | None,
    allow_targets: Sequence[str],
) -> RunFolder:
    """The folder of the evaluation, which has a run's files but for what only training leaves."""
    from gatelab.config.schema import check_config
    from gatelab.tasks.base import Baselines, task_of

    settings = read_config(run) | {"allow_targets": list(allow_targets), "tracker": {}, "search": None}
    settle(settings)
    config = check_config(settings)
    task = task_of(config.model)
    file = file_for(run, task, table, plain_text, [*text, *label])
    with tempfile.TemporaryDirectory() as scratch:
        if task.targets == "tokens":
            module, prepared, loader = read_plain_text(run, config, file, encoding, allow_targets, Path(scratch))
        else:
            asked = (list(text) or None, list(label) or None, encoding)
            module, prepared, loader = read_labelled(run, config, task, file, asked, allow_targets, Path(scratch))
        folder = RunFolder(own(run.path / "evaluations") / digits(prepared))
        with folder.locked(), folder.recorded(**about(run, prepared)):
            run_test(module, loader, config)
            data = SimpleNamespace(prepared=prepared, window=config.data.get("window"))
            write_config(folder, settings)
            task.write_results(folder, config, module, data, Baselines())
            shutil.rmtree(folder.model)  # it is the run's
            folder.update(metrics=task.test_metrics(module, data))
    return folder


def file_for(run: RunFolder, task: "Task", table: Path | None, plain_text: Path | None, columns: Sequence[str]) -> Path:
    """That of the two which the task reads. Raises RunError for the other one, and for columns of a text."""
    if task.targets != "tokens":
        if table is None or plain_text is not None:
            raise RunError(f"run {run.path.name} reads a table with labels: give --csv FILE, and no --file.")
        return table
    if plain_text is None or table is not None or columns:
        raise RunError(
            f"run {run.path.name} is a language model: give --file FILE, a plain text, and no --csv, --text or --label. "
            f"{command_on(run, 'predict', 'a text')} tells the loss of single texts."
        )
    return plain_text


def read_labelled(
    run: RunFolder, config: "Config", task: "Task", file: Path, asked: tuple[Any, Any, str | None], allow_targets: Sequence[str],
    scratch: Path,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The module, the data and the loader of the rows of a table. asked: its columns of text and label, and its encoding."""
    from gatelab.data.batch import BatchLoader
    from gatelab.data.prepare import summary_lines
    from gatelab.data.prepare_evaluation import prepare_evaluation
    from gatelab.data.rows import Settings
    from gatelab.tasks.sequence.export import load_model

    module, tokenizer, model = load_model(run.model, allow_targets)
    assert task.targets != "tokens"
    text, label, encoding = asked
    settings = Settings(
        text, label, config.data.get("labels"), encoding, max_length=model["max_length"],
        tokenizer={"kind": model.get("tokenizer", "word")}, targets=task.targets,
    )  # fmt: skip
    trained = trained_on(run, config, model["classes"])
    prepared = prepare_evaluation(file, settings, trained, tokenizer, scratch)
    for line in summary_lines(prepared.record):
        console.print(line, soft_wrap=True)
    rows, batch_size = prepared.parts["test"], config.data.get("eval_batch_size", 256)
    return module, prepared, BatchLoader(prepared, rows, batch_size=batch_size, seed=0, shuffle=False)


def read_plain_text(
    run: RunFolder, config: "Config", file: Path, encoding: str | None, allow_targets: Sequence[str], scratch: Path
) -> tuple[Any, Any, Any]:
    """The same of a text, as one unbroken stream."""
    from gatelab.tasks.language_model.language_folder import load_language_model
    from gatelab.tasks.language_model.prepare_text import TextSettings, prepare_evaluated_text
    from gatelab.tasks.language_model.text_data import evaluation_loader, summary_lines

    module, tokenizer = load_language_model(run.model, allow_targets)
    settings = TextSettings({}, config.data["tokenizer"], encoding or config.data.get("encoding"))
    learned = bool(run.record.data and run.record.data.unknown_share.get("train"))
    prepared = prepare_evaluated_text(file, settings, tokenizer, scratch, knows_unknown=learned)
    for line in summary_lines(prepared.record):
        console.print(line, soft_wrap=True)
    return module, prepared, evaluation_loader(prepared.parts["test"])


def trained_on(run: RunFolder, config: "Config", classes: list[str]) -> "TrainedOn":
    from gatelab.data.read import TrainedOn

    columns: dict[str, Any] = dict((run.record.data.columns if run.record.data else None) or {})
    if missing := {"text", "label", "all"} - columns.keys():
        raise RunError(
            f"{run.record_file}: lacks the columns of the data ({', '.join(sorted(missing))}). Run again with force=true."
        )
    has_header = config.data.get("header") is not False and not config.data.get("columns")
    label, separator = config.data.get("label") or columns["label"], config.data.get("label_separator")
    if isinstance(label, str) and label not in columns["all"]:
        label = label.split(", ")  # several, as the record lists them
    return TrainedOn(columns["text"], label, columns["all"], has_header, classes, separator)


def digits(prepared: Any) -> str:
    """Ten that name the evaluation: by the content of the file and the columns that were read."""
    read = [prepared.record["sha256"], prepared.record.get("columns")]
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:10]


def about(run: RunFolder, prepared: Any) -> dict[str, Any]:
    """What run.json says from the start: of the run, of the file, and of this machine."""
    record = run.record.model_dump()
    name = f"{run.path.parent.name}/{run.path.name}"
    return {
        **{key: record[key] for key in FROM_RUN},
        "name": name,
        "evaluates": name,
        "data": prepared.record,
        **provenance(),
    }


def run_test(module: Any, loader: Any, config: "Config") -> None:
    """Leaves in the module what the task's test_metrics need."""
    import pytorch_lightning as pl

    from gatelab.training.trainer import quiet_lightning

    with warnings.catch_warnings():
        quiet_lightning()
        trainer = pl.Trainer(
            accelerator="auto", devices=1, precision=config.trainer.precision, logger=False, enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip
        trainer.test(module, dataloaders=[loader], verbose=False)
