"""gatelab agreement: whether a language model finds the right form of a verb likelier than the wrong one, by attractors."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from gatelab.commands.arguments import problem_of
from gatelab.commands.predict import check_language_model, finished
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.screen import console, counted


def agreement(
    run: str, output_dir: Path, pairs_file: Path | None, out: Path | None, *, allow_targets: Sequence[str] = ()
) -> None:
    """Print the accuracy by number of attractors, and write the losses of each pair. Raises RunError for a run that is no
    language model and a place that will not do, DataError for a file that holds no pairs."""
    from gatelab.tasks.language_model.agreement import accuracies, form_losses, made_pairs, read_pairs
    from gatelab.tasks.language_model.text_loss import TextLoss

    folder = finished(run, output_dir)
    if out is not None and problem_of(out):
        raise RunError(f"--out {out}: is no file in a folder that is there. Name one.")
    check_language_model(folder, allow_targets)
    pairs = made_pairs() if pairs_file is None else read_pairs(pairs_file)
    losses = form_losses(TextLoss(folder.model, allow_targets), pairs)
    found = accuracies(pairs, losses)
    total = sum(each.pairs for each in found)
    if not total:
        raise RunError("the model's vocabulary has none of the verbs. Train it on a text in which they stand.")
    table = Table("attractors", "pairs", "right")
    for each in found:
        table.add_row(str(each.attractors), f"{each.pairs:,}", f"{each.right:.1%}")
    table.add_section()
    table.add_row("all", f"{total:,}", f"{sum(each.right * each.pairs for each in found) / total:.1%}")
    console.print(table)
    if total < len(pairs):
        console.print(
            f"{counted(len(pairs) - total, 'pair')} left out, since the model's vocabulary lacks a form of the verb."
        )
    if out is not None:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["right", "wrong", "attractors", "loss_right", "loss_wrong"])
        writer.writerows([*pair[1:], *map(repr, row)] for pair, row in zip(pairs, losses.tolist(), strict=True))
        atomic_write(out, stream.getvalue())
