"""One text as a run of each arm reads it, drawn on the page of a sweep. T tokens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.analysis.arms import Arm
from gatelab.reports.charts.chart import Table
from gatelab.reports.charts.colours import OPENNESS, extent
from gatelab.reports.charts.reading import first_shown, gate_bands, predicted, shown_token
from gatelab.reports.charts.tinted_text import Tint, tint
from gatelab.reports.charts.unit_image import data_uri
from gatelab.reports.shown import shorten
from gatelab.runs.load import Run
from gatelab.runs.readings import read_reading

MAX_ARMS, MAX_REPLICATES = 6, 3  # that are drawn, and that are looked at for a text which most arms have read
LEFT, RIGHT, TITLE, BAND, GAP = 92, 72, 16, 15, 10  # pixels
Link = Callable[[Run], str | None]


class Read(NamedTuple):
    """The last 60 tokens of shared_reading.npz. values (T, K): after each token the probability of each of classes, or without these the
    predicted number; bands: each gate's mean over units (T,), from 0 to 1."""

    place: str
    label: str
    text: tuple[str, ...]  # all tokens
    tokens: list[tuple[str, bool]]  # and whether the vocabulary lacks them
    classes: list[str]
    values: NDArray[Any]
    prediction: str
    bands: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Reader:
    """A run of an arm. values (T,): of what tints the words."""

    name: str
    run: str
    url: str | None
    prediction: str
    values: NDArray[Any]
    tint: Tint
    bands: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Block:
    """The gates of a reader at a height in pixels: an image of a row for each band, and of these the name and the range of values."""

    name: str
    y: float
    image: str
    bands: list[tuple[str, str]]


@dataclass(frozen=True)
class SharedText:
    place: str
    label: str
    quantity: str  # what tints the words
    tokens: list[tuple[str, bool]]  # and whether the vocabulary of the first reader lacks them
    readers: list[Reader]
    left_out: int  # arms
    table: Table
    left, right, title, band = LEFT, RIGHT, TITLE, BAND

    @property
    def column(self) -> float:
        return min(26.0, max(15.0, 640 / len(self.tokens)))

    @property
    def width(self) -> float:
        return LEFT + self.column * len(self.tokens) + RIGHT

    @property
    def bottom(self) -> float:
        return sum(TITLE + BAND * len(reader.bands) + GAP for reader in self.readers if reader.bands)

    @property
    def height(self) -> float:
        return self.bottom + 8 + 6.4 * max(len(token) for token, _ in self.tokens)

    @property
    def blocks(self) -> Iterator[Block]:
        y = 0.0
        for reader in self.readers:
            if reader.bands:
                image = data_uri(np.stack(list(reader.bands.values()), 1), OPENNESS, 0.0, 1.0)
                bands = [(name, reached(values)) for name, values in reader.bands.items()]
                yield Block(reader.name, y, image, bands)
                y += TITLE + BAND * len(reader.bands) + GAP


def shared_text(arms: Sequence[Arm], link: Link) -> SharedText | None:
    """What the first six arms make of the test row that most of them have read in one replicate, in most sweeps the first seed. None where
    no two have read the same. Raises RunError for a damaged file."""
    found: list[tuple[Arm, Run, Read]] = []
    replicates = dict.fromkeys(arm.replicate_of(run) for arm in arms[:MAX_ARMS] for run in arm.finished)
    for replicate in list(replicates)[:MAX_REPLICATES]:
        if len(found) < len(arms[:MAX_ARMS]):
            found = max(found, readers_of(arms[:MAX_ARMS], replicate), key=len)
    return describe(found, len(arms) - len(found), link) if len(found) > 1 else None


def readers_of(arms: Sequence[Arm], replicate: tuple[str, ...]) -> list[tuple[Arm, Run, Read]]:
    """A run of each arm that has read the text which most of them have read."""
    texts: dict[Any, list[tuple[Arm, Run, Read]]] = {}
    for arm in arms:
        runs = [
            run for run in arm.finished if arm.replicate_of(run) == replicate and run.folder.shared_reading.exists()
        ]
        for run in runs[:1]:
            read = read_reading(run.folder.shared_reading, read_of)
            texts.setdefault((read.place, read.label, read.text, *read.classes), []).append((arm, run, read))
    return max(texts.values(), key=len, default=[])


def read_of(gates: dict[str, NDArray[Any]]) -> Read:
    """Raises ValueError or another of ``read_reading`` for arrays that are none of a reading."""
    first = first_shown(gates)
    tokens = gates["tokens"].tolist()
    values, _, prediction, probability = predicted(gates)
    bands = gate_bands(gates, first)
    for name, each in {"its predictions": values[first:], "unknown": gates["unknown"][first:], **bands}.items():
        if len(each) != len(tokens[first:]):
            raise ValueError(f"{name} has {len(each)} values of {len(tokens[first:])} tokens")
    return Read(
        place=f"{gates['source']}, line {gates['line']}",
        label=str(gates["label"]),
        text=tuple(tokens),
        tokens=[(shown_token(token, 16), bool(lacks)) for token, lacks in zip(tokens, gates["unknown"].tolist(), strict=True)][first:],
        classes=gates["classes"].tolist() if probability else [],
        values=values[first:].reshape(len(tokens[first:]), -1),
        prediction=f"{prediction} ({probability})" if probability else prediction,
        bands=bands,
    )  # fmt: skip


def describe(found: Sequence[tuple[Arm, Run, Read]], left_out: int, link: Link) -> SharedText:
    first = found[0][2]
    column, quantity = tinted_by(first)
    shown = [read.values[:, column] for _, _, read in found]
    low, high = (0.0, 1.0) if first.classes else extent(np.concatenate(shown), nothing=0.0)
    readers = [
        Reader(shorten(arm.name, 60), run.replicate_text, link(run), read.prediction, values, tint(quantity, OPENNESS, values, low, high), read.bands)
        for (arm, run, read), values in zip(found, shown, strict=True)
    ]  # fmt: skip
    rows = [
        [token, *(numbers.metric(float(reader.values[t])) for reader in readers)]
        for t, (token, _) in enumerate(first.tokens)
    ]
    table = Table(["token", *(reader.name for reader in readers)], rows)
    return SharedText(first.place, first.label, quantity, first.tokens, readers, left_out, table)


def tinted_by(read: Read) -> tuple[int, str]:
    """The column of values, and its name: the label's probability; of several labels that of the likeliest in the end."""
    if not read.classes:
        return 0, "predicted number"
    column = read.classes.index(read.label) if read.label in read.classes else int(read.values[-1].argmax())
    return column, f"probability of {shorten(read.classes[column], 28)}"


def reached(values: NDArray[Any]) -> str:
    return "–".join(dict.fromkeys(numbers.formatted(end, ".2f") for end in extent(values)))
