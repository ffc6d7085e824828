"""The units of a language model that tell what a text is doing: inside quotes or brackets, where in the line (Karpathy, Johnson & Fei-Fei 2015).

T tokens, U units of all layers together.
"""

import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from gatelab.runs.language_evidence import TellingUnit
from gatelab.tasks.sequence.unit_activity import activity_of, measured_part

STRETCH = 4096  # tokens that are read for it; the first half chooses a unit, the second measures it
PASSAGE = 800  # characters of the second half that are shown
LEAD = 80  # of them before the property first holds
MIN_TOKENS = 20  # with the property, and without it, in each half
QUOTED = re.compile(r'"(?:[^"\n]|\n(?!\s*\n))*"|“[^“”]*”|«[^«»]*»')  # plain quotes within a paragraph
BRACKETS = {")": "(", "]": "[", "}": "{"}
Numbers = NDArray[np.int64]


class Stretch(NamedTuple):
    """The beginning of a part of the text: its tokens as they stand there, and all that happens as the model reads them, (1, T, H) each."""

    part: str
    tokens: list[str]
    trace: Mapping[str, Any]

    @property
    def activity(self) -> dict[str, NDArray[Any]]:
        """The arrays of gates.npz."""
        return activity_of([(self.trace, torch.ones(1, len(self.tokens), dtype=torch.bool))], self.part, 1)


@torch.inference_mode()
def read_stretch(module: Any, prepared: Any) -> Stretch | None:
    """Of the validation, else of the test, from a fresh state. None without either, or without gates."""
    there = {
        name: stream[1:] for name, stream in prepared.parts.items()
    }  # without the token that stands before the text
    part = measured_part(module, there)
    if part is None:
        return None
    stream = prepared.parts[part][: 1 + STRETCH].astype(np.int64)
    module.eval()
    read = torch.from_numpy(stream)[None].to(module.device)  # (1, 1 + T)
    begun = module.encoder.trace(module.embedding(read), torch.tensor([len(stream)], device=module.device))
    trace = {name: type(step)(*(value[:, 1:].cpu() for value in step)) for name, step in begun.items()}
    return Stretch(part, prepared.tokenizer.shown(stream[1:].tolist()), trace)


def telling_units(stretch: Stretch) -> list[TellingUnit]:
    """Of each property that the text has often enough the unit that tells it best on the first half, and how well on the second."""
    names, states = states_of(stretch.trace)
    half = len(stretch.tokens) // 2
    first, second = slice(0, half), slice(half, len(stretch.tokens))
    found = []
    for name, values in properties(stretch.tokens).items():
        if min(np.count_nonzero(values[part] > 0) for part in (first, second)) < MIN_TOKENS:
            continue
        if min(np.count_nonzero(values[part] == 0) for part in (first, second)) < MIN_TOKENS:
            continue
        binary = values.max() == 1
        score = auroc if binary else rank_correlation
        scores = score(states[first], values[first]) - (0.5 if binary else 0)
        unit = int(np.abs(scores).argmax())
        layer, number = names[unit]
        sign = -1 if binary and scores[unit] < 0 else 1  # a unit that is low where the property holds tells it as well
        measure = f"AUROC{' of −state' if sign < 0 else ''}" if binary else "rank correlation"
        measured = float(score(sign * states[second, unit : unit + 1], values[second])[0])
        shown = passage(stretch.tokens[second], values[second])
        found.append(
            TellingUnit(
                property=name, layer=layer, unit=number, measure=measure, score=measured, tokens=stretch.tokens[second][shown],
                states=np.tanh(states[second, unit][shown]).round(2).tolist(),
            )
        )  # fmt: skip
    return found


def states_of(trace: Mapping[str, Any]) -> tuple[list[tuple[int, int]], NDArray[Any]]:
    """The layer, counted from 1, and number of each unit, and its cell state, where there is one, else its hidden state, (T, U)."""
    states = [(step.cell if hasattr(step, "cell") else step.hidden)[0].numpy() for step in trace.values()]
    names = [(layer, unit) for layer, each in enumerate(states, 1) for unit in range(each.shape[1])]
    return names, np.concatenate(states, 1)


def auroc(states: NDArray[Any], holds: Numbers) -> NDArray[Any]:
    """(U,): how often a state (T, U) where holds (T,) is 1 is above one where it is 0; equal ones count half."""
    ranks, positives = rankdata(states, axis=0), holds == 1
    num = int(positives.sum())
    return (ranks[positives].sum(0) - num * (num + 1) / 2) / (num * (len(holds) - num))


def rank_correlation(states: NDArray[Any], values: Numbers) -> NDArray[Any]:
    """Spearman's (U,) of states (T, U) with values (T,); 0 for a unit whose state never changes."""
    x, y = (ranks - ranks.mean(0) for ranks in (rankdata(states, axis=0), rankdata(values)))
    spread = np.sqrt((x**2).sum(0) * (y**2).sum())
    return np.divide(y @ x, spread, out=np.zeros_like(spread), where=spread > 0)


def passage(tokens: list[str], values: Numbers) -> slice:
    """Whole tokens that begin a little before the first with the property."""
    ends = np.cumsum([len(token) for token in tokens])
    place = int(np.flatnonzero(values)[0])
    before = int(ends[place]) - len(tokens[place])
    begin = max(0, min(before - LEAD, int(ends[-1]) - PASSAGE))
    low, high = np.searchsorted(ends, [begin, begin + PASSAGE], side="right")
    return slice(int(low), int(high))


def properties(tokens: list[str]) -> dict[str, Numbers]:
    """(T,) by name: once each token is read, 1 or 0, or a number."""
    text = "".join(tokens)
    ends = np.maximum(np.cumsum([len(token) for token in tokens]) - 1, 0)
    every: dict[str, Callable[[str], Numbers]] = {
        "inside quotes": inside_quotes, "inside brackets": inside_brackets, "before the end of a line": before_line_end,
        "characters since the line began": place_in_line, "indentation of the line": indentation,
    }  # fmt: skip
    return {name: of_text(text)[ends] for name, of_text in every.items()}


def inside_quotes(text: str) -> Numbers:
    """From an opening quote to the character before its closing one."""
    inside = np.zeros(len(text), dtype=np.int64)
    for found in QUOTED.finditer(text):
        inside[found.start() : found.end() - 1] = 1
    return inside


def inside_brackets(text: str) -> Numbers:
    """The same of brackets that have a partner."""
    inside, opened = np.zeros(len(text), dtype=np.int64), []
    for place, character in enumerate(text):
        if character in BRACKETS.values():
            opened.append(place)
        elif character in BRACKETS and opened and text[opened[-1]] == BRACKETS[character]:
            inside[opened.pop() : place] = 1
    return inside


def before_line_end(text: str) -> Numbers:
    return np.array([*(character == "\n" for character in text[1:]), False], dtype=np.int64)


def place_in_line(text: str) -> Numbers:
    """0 at a line end, 1 at the first character after it."""
    return np.fromiter(accumulate(text, lambda place, each: 0 if each == "\n" else place + 1, initial=0), np.int64)[1:]


def indentation(text: str) -> Numbers:
    """White space at the line's begin, as far as it is read."""
    found, width, begins = np.zeros(len(text), dtype=np.int64), 0, True
    for place, character in enumerate(text):
        if character == "\n":
            width, begins = 0, True
        elif begins and character.isspace():
            width += 1
        else:
            begins = False
        found[place] = width
    return found
