"""gatelab predict: what a finished run predicts for texts, or for a table of them."""

import io
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gatelab.commands.arguments import problem_of, with_options
from gatelab.data.formats.records import Reading, well_formed
from gatelab.errors import DataError, RunError
from gatelab.files import replacing
from gatelab.runs.csv_rows import RowWriter
from gatelab.runs.folder import RunFolder, find_run
from gatelab.screen import console, counted, errors

if TYPE_CHECKING:
    from gatelab.data.stream import RowStream

STANDARD = Path("-")


def predict_texts(
    run: str, output_dir: Path, texts: list[str], *, attention: bool = False, allow_targets: Sequence[str] = ()
) -> None:
    """Print what the model of a run says of each text; with attention the weight of each token, too."""
    predictor = predictor_of(finished(run, output_dir), allow_targets, attention=attention)
    texts = [well_formed(text) for text in texts]  # bytes that are no UTF-8 come as halves
    table = Table(*predictor.titles, "text")
    for text, values in zip(texts, predictor.stream(texts), strict=True):
        table.add_row(*predictor.shown(values), text)
    console.print(table)


def predict_table(
    run: str,
    output_dir: Path,
    file: Path,
    out: Path,
    *,
    text: Sequence[str] = (),
    keep: bool = False,
    attention: bool = False,
    reading: Reading | None = None,
    allow_targets: Sequence[str] = (),
) -> None:
    """Write the line and what the model says of it, such as prediction and the probability of each class or label, for every usable
    row of a table, in chunks; with keep its own columns after the line, with attention a JSON list of [token, weight] at its end. The
    output file is replaced atomically at the end; unusable rows are counted, and the first is named. STANDARD as file or out is
    standard input or output; what is said goes to standard error then. Ends early where standard output is no longer read, as by head."""
    from gatelab.data.stream import RowStream

    folder = finished(run, output_dir)
    if out != STANDARD and (problem := problem_of(out)):
        raise RunError(f"--out {out}: {problem}. {'Name a file in it' if out.is_dir() else 'Make it first'}.")
    screen = errors if out == STANDARD else console
    predictor = predictor_of(folder, allow_targets, attention=attention)
    started, num_rows = time.monotonic(), 0
    with (
        input_file(file) as source,
        RowStream(source, reading) as rows,
        output_stream(out) as stream,
        Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar,
    ):
        say_columns(screen, rows, text, trained_columns(folder))
        header = ["line", *predictor.columns]
        if keep:
            refuse_same_names(source, rows.columns, header)
            header[1:1] = rows.columns
        writer = RowWriter(stream)
        writer.writerow(header)
        task = bar.add_task("predicting", total=rows.num_bytes)
        waiting: deque[list[Any]] = deque()  # the first fields of the rows that the predictor holds

        def texts() -> Iterator[str]:
            for line, value, fields in rows:
                waiting.append([line, *fields] if keep else [line])
                yield value

        for values in predictor.stream(texts()):
            writer.writerow([*waiting.popleft(), *predictor.row(values)])
            num_rows += 1
            if num_rows % 1000 == 0:
                bar.update(task, completed=rows.position)
                if not getattr(stream, "has_reader", True):
                    break
    seconds = time.monotonic() - started
    screen.print(
        f"{counted(num_rows, 'row')} of {source.name if file == STANDARD else file} in {seconds:.1f} s, "
        f"{num_rows / seconds:,.0f} rows/s → {'standard output' if out == STANDARD else out}",
        soft_wrap=True,
    )
    if rows.rejects:
        first = rows.rejects[0]
        screen.print(f"{counted(len(rows.rejects), 'row')} rejected, the first at line {first.line}: {first.reason}")


def predictor_of(folder: RunFolder, allow_targets: Sequence[str], *, attention: bool = False) -> Any:
    """With attention one that gives the weight of each token, too; raises RunError for a model that has none."""
    from gatelab.tasks.model_folder import task_of_folder

    predictor = task_of_folder(folder.model, allow_targets).predictor(folder.model, allow_targets)
    if not attention:
        return predictor
    from gatelab.tasks.sequence.attention_predictor import AttentionPredictor

    return AttentionPredictor(predictor)


@contextmanager
def input_file(file: Path) -> Iterator[Path]:
    """The file; of standard input a copy, since its kind is found before it is read from the beginning."""
    if file != STANDARD:
        yield file
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "standard input"
        with open(copy, "wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        try:
            yield copy
        except DataError as error:
            raise DataError(str(error).replace(str(copy), copy.name)) from None


@contextmanager
def output_stream(out: Path) -> Iterator[IO[str]]:
    if out == STANDARD:
        sys.stdout.reconfigure(encoding="utf-8", errors="replace", newline="")  # type: ignore[union-attr]
        yield sys.stdout
        sys.stdout.flush()
        return
    with replacing(out) as binary:
        stream = io.TextIOWrapper(binary, encoding="utf-8", errors="replace", newline="")
        yield stream
        stream.flush()
        stream.detach()


def trained_columns(folder: RunFolder) -> list[str]:
    """The text columns of the table that a run was trained on."""
    data = folder.record.data
    found = data.columns.get("text") if data and data.columns else None
    return [found] if isinstance(found, str) else list(found or ())


def say_columns(screen: Console, rows: "RowStream", text: Sequence[str], trained: list[str]) -> None:
    """Choose the text columns, those of the training if they are there and no others are given, and name them."""
    read = rows.choose_texts(text or (trained if set(trained) <= set(rows.columns) else ()))
    for note in rows.notes:
        screen.print(f"note: {with_options(note)}", soft_wrap=True)
    what = f"reads {quoted(read)} of {rows.file.name}"
    if read == trained or not trained:
        screen.print(what, soft_wrap=True)
    elif text:
        screen.print(f"{what}; the run was trained on {quoted(trained)}", soft_wrap=True)
    else:
        screen.print(
            f"warning: {what}, since it lacks {quoted(trained)}, which the run was trained on; --text names another",
            soft_wrap=True,
        )


def quoted(columns: Sequence[str]) -> str:
    return " and ".join(f"'{column}'" for column in columns)


def refuse_same_names(file: Path, columns: Sequence[str], header: Sequence[str]) -> None:
    same = next((name for name in columns if name in header), None)
    if same is not None:
        raise DataError(f"{file}: has a column '{same}' of its own. Rename it there, or leave --keep out.")


def check_language_model(folder: RunFolder, allow_targets: Sequence[str]) -> None:
    """Raise RunError for a run of another task."""
    from gatelab.tasks.model_folder import task_of_folder

    if task_of_folder(folder.model, allow_targets).targets != "tokens":
        raise RunError(f"run {folder.path.name} is no language model. Train one with model=language_model.")


def finished(run: str, output_dir: Path) -> RunFolder:
    folder = find_run(run, output_dir)
    if folder.status != "finished":
        raise RunError(
            f"run {folder.path.name} is {folder.status}, so it has no model. gatelab runs lists finished ones."
        )
    return folder
