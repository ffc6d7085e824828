"""Subject-verb agreement: whether a language model finds the right form of a verb likelier than the wrong one (Linzen et al. 2016)."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.bounded import MIB, read_text
from gatelab.errors import DataError
from gatelab.tasks.language_model.made_text import Agreement, agreements
from gatelab.tasks.language_model.text_loss import TextLoss

NUM_MADE = 2000
MADE_SEED = "agreement"  # of the pairs from the grammar of the generated text
MAX_BYTES = 500 * MIB
TABLE = ("form", "prefix", "n_attr", "class")  # of a .tab file
EXPECTED = (
    "what stands before the verb, the right form, the wrong form and the number of attractors, with tabs between them"
)


class Accuracy(NamedTuple):
    """Of the pairs with one number of attractors; a tie is half right."""

    attractors: int
    pairs: int
    right: float


def made_pairs() -> list[Agreement]:
    return list(agreements(NUM_MADE, MADE_SEED))


def read_pairs(file: Path) -> list[Agreement]:
    """Lines of prefix, right, wrong and attractors, with tabs between them; or NAME.gold beside the sentences in NAME.text, whose
    lines are the place of the verb, right, wrong, attractors; or NAME.tab with a header (both Gulordava et al. 2018). Raises DataError,
    naming the line."""
    if file.suffix == ".tab":
        return read_table(file)
    sentences = read_lines(file.with_suffix(".text")) if file.suffix == ".gold" else None
    lines, pairs = read_lines(file), []
    if sentences is not None and len(sentences) != len(lines):
        raise DataError(
            f"{file}: has {len(lines):,} lines, and {file.stem}.text has {len(sentences):,}. They go line by line."
        )
    for number, line in enumerate(lines, start=1):
        try:
            begin, right, wrong, attractors = line.split("\t")
            prefix = begin if sentences is None else " ".join(sentences[number - 1].split()[: int(begin)])
            pairs.append(Agreement(f"{prefix.rstrip()} ", right, wrong, int(attractors)))
        except ValueError:
            raise DataError(f"{file}: line {number}: is not {EXPECTED}.") from None
    if not pairs:
        raise DataError(f"{file}: is empty. A line is {EXPECTED}.")
    return pairs


def read_table(file: Path) -> list[Agreement]:
    """Of a table with a header: the row of each right form, of class correct, is followed by that of the wrong one."""
    try:
        rows, pairs = list(csv.reader(read_lines(file), delimiter="\t")), []
    except csv.Error as error:
        raise DataError(f"{file}: is no table of pairs ({error}).") from None
    header = rows[0] if rows else []
    if missing := [name for name in TABLE if name not in header]:
        raise DataError(f"{file}: has no column {', '.join(missing)}. A .tab file has the columns {', '.join(TABLE)}.")
    columns = [header.index(name) for name in TABLE]
    for number in range(1, len(rows), 2):
        try:
            (right, prefix, attractors, kind), (wrong, *same, other) = (
                [row[column] for column in columns] for row in rows[number : number + 2]
            )
            if [kind, other, prefix, attractors] != ["correct", "wrong", *same]:
                raise ValueError
            pairs.append(Agreement(f"{prefix.rstrip()} ", right, wrong, int(attractors)))
        except (ValueError, IndexError):
            raise DataError(
                f"{file}: row {number + 1}: is not the correct form of a pair with the wrong one of the same prefix in the next row."
            ) from None
    if not pairs:
        raise DataError(f"{file}: holds no pairs below its header.")
    return pairs


def read_lines(file: Path) -> list[str]:
    try:
        return read_text(file, MAX_BYTES).splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: byte {error.start + 1} is not valid UTF-8. Convert the file to UTF-8.") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}). Name a file of pairs.") from None


def form_losses(model: TextLoss, pairs: Sequence[Agreement]) -> NDArray[np.float64]:
    """(N, 2): the loss of each sentence up to and with the right form, and with the wrong one, in nats. Below words a form ends
    with a space. NaN where either form is not in the vocabulary."""
    tokenizer = model.tokenizer
    end = "" if tokenizer.kind == "word" else " "
    forms = [[pair.right for pair in pairs], [pair.wrong for pair in pairs]]
    losses = np.empty((len(pairs), 2))
    for column, of_column in enumerate(forms):
        texts = [f"{pair.prefix}{form}{end}" for pair, form in zip(pairs, of_column, strict=True)]
        losses[:, column] = [found.sum() for found in model.token_losses(texts)]
        if tokenizer.unknown_id is not None:
            losses[[tokenizer.unknown_id in tokenizer.encode(form) for form in of_column], column] = np.nan
    return losses


def accuracies(pairs: Sequence[Agreement], losses: NDArray[np.float64]) -> list[Accuracy]:
    """By number of attractors, without the pairs whose forms the model does not know."""
    known = ~np.isnan(losses).any(1)
    attractors = np.array([pair.attractors for pair in pairs])
    right = (losses[:, 0] < losses[:, 1]) + 0.5 * (losses[:, 0] == losses[:, 1])
    return [
        Accuracy(int(number), int(inside.sum()), float(right[inside].mean()))
        for number in np.unique(attractors[known])
        if (inside := known & (attractors == number)).any()
    ]
