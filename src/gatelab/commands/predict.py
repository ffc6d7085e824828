"""gatelab predict: what a finished run predicts for texts, or for a table of them."""

import csv
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.progress import Progress
from rich.table import Table

from gatelab.errors import RunError
from gatelab.files import replacing
from gatelab.runs.folder import RunFolder, find_run
from gatelab.screen import console, counted, errors


def predict_texts(run: str, output_dir: Path, texts: list[str], *, allow_targets: Sequence[str] = ()) -> None:
    """Print the prediction for each text, and the probabilities if it has some."""
    from gatelab.tasks.sequence.prediction import Predictor

    predictor = Predictor(finished(run, output_dir).model, allow_targets=allow_targets)
    table = Table("prediction", *predictor.classes, "text")
    for text, values in zip(texts, predictor.predictions(texts), strict=True):
        probabilities = [f"{value:.4f}" for value in values] if predictor.classes else []
        table.add_row(predictor.answer(values), *probabilities, text)
    console.print(table)


def predict_csv(
    run: str, output_dir: Path, file: Path, out: Path, *, text: str | None = None, encoding: str | None = None,
    allow_targets: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write line, prediction and the probability of each class or label for every usable row of a table, in chunks. The output
    file is replaced atomically at the end; unusable rows are counted, and the first is named."""
    from gatelab.data.stream import RowStream
    from gatelab.tasks.sequence.prediction import Predictor

    folder = finished(run, output_dir)
    if not out.parent.is_dir():
        raise RunError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    predictor = Predictor(folder.model, allow_targets=allow_targets)
    started, num_rows = time.monotonic(), 0
    with (
        replacing(out) as binary,
        RowStream(file, encoding=encoding) as rows,
        Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar,
    ):
        data = folder.record.data
        trained_on = data.columns.get("text") if data and data.columns else None
        texts_of = [text] if text else [trained_on] if isinstance(trained_on, str) else list(trained_on or ())
        rows.choose_texts(texts_of if text or set(texts_of) <= set(rows.columns) else [])
        task = bar.add_task("predicting", total=rows.num_bytes)
        stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["line", "prediction", *(f"probability:{name}" for name in predictor.classes)])
        lines: list[int] = []

        def texts() -> Iterator[str]:
            for line, value in rows:
                lines.append(line)
                yield value

        for values in predictor.stream(texts()):
            probabilities = map(repr, values.tolist()) if predictor.classes else ()
            prediction = predictor.answer(values) if predictor.classes else repr(float(values[0]))
            writer.writerow([lines[num_rows], prediction, *probabilities])
            num_rows += 1
            if num_rows % 1000 == 0:
                bar.update(task, completed=rows.position)
        stream.flush()
        stream.detach()
    seconds = time.monotonic() - started
    console.print(
        f"{counted(num_rows, 'row')} of {file} in {seconds:.1f} s, {num_rows / seconds:,.0f} rows/s → {out}",
        soft_wrap=True,
    )
    if rows.rejects:
        first = rows.rejects[0]
        console.print(f"{counted(len(rows.rejects), 'row')} rejected, the first at line {first.line}: {first.reason}")


def finished(run: str, output_dir: Path) -> RunFolder:
    folder = find_run(run, output_dir)
    if folder.status != "finished":
        raise RunError(
            f"run {folder.path.name} is {folder.status}, so it has no model. gatelab runs lists finished ones."
        )
    return folder
