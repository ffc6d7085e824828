"""Another labelled file for a model that is trained: read, cut and numbered as its test rows were."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gatelab.data.formats.kinds import open_records
from gatelab.data.formats.records import Reading
from gatelab.data.paths import expand_paths
from gatelab.data.prepare import Prepared, class_counts, content_of, count_tokens, encode, load, number_facts
from gatelab.data.read import TrainedOn
from gatelab.data.rows import Settings, Source, Words, read_rows, write_json
from gatelab.data.split import PARTS
from gatelab.data.subwords import word_tokens
from gatelab.errors import DataError


def prepare_evaluation(file: Path, settings: Settings, trained: TrainedOn, tokenizer: Any, folder: Path) -> Prepared:
    """All rows that have a target of the model as the part test, the others empty; the arrays lie in folder.

    settings: those of the training, where labels may be a mapping to its classes, and text and label name columns of this file
    or are None; the columns of the training are then taken where they are there, else they are found.
    tokenizer: the fitted one. Raises DataError, also where no row has one of the classes.
    """
    rows, source = folder / "rows", Source(train=(), test=expand_paths(file))
    rows.mkdir()
    numbers = settings.targets == "number"
    settings = replace(settings, labels=None if numbers else spellings(settings.labels, trained.classes), split={})
    trained = with_columns(source.test[0], settings, trained)
    read_rows(source, settings, content_of(source), rows, tokenizer=tokenizer, trained=trained)
    record = json.loads((rows / "record.json").read_text(encoding="utf-8"))
    num_rows = record.pop("sizes")["test"]
    if not num_rows:
        raise DataError(
            f"{file}: no row has one of the model's classes ({', '.join(trained.classes)}) in column '{record['columns']['label']}', "
            f"which has: {', '.join(record['dropped']['test'])}. --label names another column."
        )
    parts = {part: np.arange(num_rows if part == "test" else 0) for part in PARTS}
    for part, members in parts.items():
        np.save(folder / f"{part}.npy", members)
    words, classes = Words(rows), record["classes"]
    tokens_of = word_tokens(tokenizer, words.names, settings.kind)
    lengths, num_unknown = encode(words, tokens_of, settings.max_length, folder)
    labels = np.load(rows / "labels.npy")
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "record.json",
        {
            **record,
            **(
                {"numbers": {"test": number_facts(labels)}}
                if numbers
                else {"label_counts": {"test": class_counts(classes, labels)}}
            ),
            "split_sizes": {"test": num_rows},
            "tokenizer": settings.kind,
            "vocab_size": tokenizer.get_vocab_size(),
            **count_tokens(lengths, num_unknown, parts, settings.max_length),
        },
    )
    return load(folder, rows, [str(each) for each in source.test])


def spellings(labels: Sequence[Any] | Mapping[Any, Any] | None, classes: Sequence[str]) -> dict[Any, Any]:
    """The class of each label: by its own name, or as data.labels of the training renames it."""
    return {**{name: name for name in classes}, **(labels if isinstance(labels, Mapping) else {})}


def with_columns(file: Path, settings: Settings, trained: TrainedOn) -> TrainedOn:
    """trained with the columns of this file: those that settings name, else the same as in the training, else None."""
    like = (trained.columns, trained.header)
    with open_records(file, Reading(settings.encoding, like=like, max_unpacking=settings.max_unpacking)) as opened:
        there = opened.columns
    for option, given in (("--text", as_list(settings.text)), ("--label", as_list(settings.label))):
        for name in given:
            if name not in there:
                raise DataError(f"{option} {name}: {file} has no such column. It has: {', '.join(there)}.")
    text = as_list(settings.text) or (trained.text_column if {*as_list(trained.text_column)} <= {*there} else [])
    label = as_list(settings.label) or (trained.label_column if {*as_list(trained.label_column)} <= {*there} else [])
    return replace(trained, text_column=text, label_column=label or None)


def as_list(columns: str | Sequence[str] | None) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns or ())
