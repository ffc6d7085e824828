"""gatelab evaluate: a finished run's model on another labelled file; its metrics, predictions and page, in RUN/evaluations/<digits>/."""

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
from gatelab.runs.folder import RunFolder
from gatelab.runs.provenance import provenance
from gatelab.runs.shell import command_on
from gatelab.screen import console

if TYPE_CHECKING:
    from gatelab.config.schema import Config
    from gatelab.data.prepare import Prepared
    from gatelab.data.read import TrainedOn

# Entries of run.json.
FROM_RUN = ("identity", "seed", "choices", "changed", "monitor", "weights", "parameters", "calibration")


def evaluate(
    run: str, output_dir: Path, file: Path, *, text: Sequence[str] = (), label: Sequence[str] = (), encoding: str | None = None,
    allow_targets: Sequence[str] = (),
) -> None:  # fmt: skip
    """Print the metrics, and write the folder, again where it is there.

    Raises RunError where there is no finished run, DataError for a file that cannot be used, ConfigError for a ``_target_`` that may not
    be built.
    """
    from gatelab.reports.pages.facts import calibration_fact
    from gatelab.reports.pages.run_page import write_report
    from gatelab.reports.terminal.result import result_table

    recorded = finished(run, output_dir)
    folder = evaluated(recorded, file, text=text, label=label, encoding=encoding, allow_targets=allow_targets)
    console.print(result_table(folder))
    if said := calibration_fact(folder.record):
        console.print(f"calibration {said}", soft_wrap=True)
    page, *_ = write_report(folder)
    console.print(f"predictions {folder.predictions}\nreport      {page}", soft_wrap=True)


def evaluated(
    run: RunFolder,
    file: Path,
    *,
    text: Sequence[str],
    label: Sequence[str],
    encoding: str | None,
    allow_targets: Sequence[str],
) -> RunFolder:
    """The folder of the evaluation, which has a run's files but for what only training leaves."""
    from gatelab.config.schema import check_config
    from gatelab.data.prepare import summary_lines
    from gatelab.data.prepare_evaluation import prepare_evaluation
    from gatelab.data.rows import Settings
    from gatelab.tasks.base import Baselines, task_of
    from gatelab.tasks.sequence.export import load_model

    settings = read_config(run) | {"allow_targets": list(allow_targets), "tracker": {}, "search": None}
    settle(settings)
    config = check_config(settings)
    task = task_of(config.model)
    if task.targets == "tokens":
        raise RunError(
            f"run {run.path.name} is a language model, and a table has labels. {command_on(run, 'predict', 'a text')} tells the "
            "loss of texts."
        )
    module, tokenizer, model = load_model(run.model, allow_targets)
    with tempfile.TemporaryDirectory() as scratch:
        asked = Settings(
            list(text) or None, list(label) or None, config.data.get("labels"), encoding, max_length=model["max_length"],
            tokenizer={"kind": model.get("tokenizer", "word")}, targets=task.targets,
        )  # fmt: skip
        trained = trained_on(run, config, model["classes"])
        prepared = prepare_evaluation(file, asked, trained, tokenizer, Path(scratch))
        for line in summary_lines(prepared.record):
            console.print(line, soft_wrap=True)
        folder = RunFolder(run.path / "evaluations" / digits(prepared))
        with folder.locked(), folder.recorded(**about(run, prepared)):
            run_test(module, prepared, config)
            data = SimpleNamespace(prepared=prepared)
            write_config(folder, settings)
            task.write_results(folder, config, module, data, Baselines())
            shutil.rmtree(folder.model)  # it is the run's
            folder.update(metrics=task.test_metrics(module, data))
    return folder


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


def digits(prepared: "Prepared") -> str:
    """Ten that name the evaluation: by the content of the file and the columns that were read."""
    read = [prepared.record["sha256"], prepared.record["columns"]]
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:10]


def about(run: RunFolder, prepared: "Prepared") -> dict[str, Any]:
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


def run_test(module: Any, prepared: "Prepared", config: "Config") -> None:
    """Leaves in the module what the task's test_metrics need."""
    import pytorch_lightning as pl

    from gatelab.data.batch import BatchLoader
    from gatelab.training.trainer import quiet_lightning

    with warnings.catch_warnings():
        quiet_lightning()
        trainer = pl.Trainer(
            accelerator="auto", devices=1, precision=config.trainer.precision, logger=False, enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip
        rows, batch_size = prepared.parts["test"], config.data.get("eval_batch_size", 256)
        loader = BatchLoader(prepared, rows, batch_size=batch_size, seed=0, shuffle=False)
        trainer.test(module, dataloaders=[loader], verbose=False)
