"""The gates while the model reads a row, drawn on a page and in a paper. T tokens, H hidden, K classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.reports import numbers
from gatelab.reports.charts.chart import NUM_COLOURS, Table
from gatelab.reports.charts.colours import extent
from gatelab.reports.charts.tinted_text import Tint, tints_of
from gatelab.reports.charts.unit_maps import MAX_MAPS, MAX_UNITS, UnitMap, last_layer, unit_maps
from gatelab.reports.shown import shorten

MAX_TOKENS = 60


@dataclass(frozen=True)
class Reading:
    """role, place, label and prediction describe the row. Values (T,) by name: curves, the probabilities of the first 7 classes or
    the predicted number; attention: each token's weight, where the model pools by it; attributions: its integrated gradient; bands: gates,
    mean over units, from 0 to 1; beside: these three, as tables and tips name them; units: states. toward: what contributions lead to, and
    negative ones. maps: all units of gates and states, tints: colours of the tokens."""

    role: str
    place: str
    label: str
    prediction: str
    probability: str  # of the prediction, where it has one
    tokens: list[tuple[str, bool]]  # and whether it is unknown
    curves: dict[str, NDArray[Any]]
    curves_title: str
    curves_range: tuple[float, float]
    attention: NDArray[Any] | None
    attributions: NDArray[Any] | None
    scores: tuple[float, float]  # of zeros and of the text, between which the attributions stand
    bands: dict[str, NDArray[Any]]
    beside: dict[str, NDArray[Any]]
    units: dict[str, NDArray[Any]]
    toward: tuple[str, str]
    state: str  # what units holds: cell, or hidden where that is the only state
    notes: list[str]
    has_gaps: bool  # whether a value is not finite
    table: Table
    maps: list[UnitMap]
    tints: list[Tint]

    @property
    def pointing(self) -> str:
        """What the signs of contributions mean: + toward Positive, − toward Negative."""
        return f"+ {self.toward[0]}, − {self.toward[1]}"


def describe_reading(gates: Mapping[str, NDArray[Any]], activity: Mapping[str, NDArray[Any]] | None = None) -> Reading:
    """The last 60 tokens of the arrays that ``read_gates`` made. activity: what its units do over many texts, as in gates.npz."""
    first = first_shown(gates)
    tokens = [shown_token(token, 16) for token in gates["tokens"][first:].tolist()]
    unknown = gates["unknown"][first:].tolist()
    values, classes, prediction, probability = predicted(gates)
    shown = values[first:]
    bands, units = gate_bands(gates, first), unit_bands(gates, first)
    attention = gates["attention"][first:] if "attention" in gates else None
    attributions = gates["attributions"][first:] if "attributions" in gates else None
    of_tokens = {"attention": attention, "integrated gradient": attributions}
    beside = {name: values for name, values in of_tokens.items() if values is not None} | bands
    rows = [
        [token, *map(numbers.metric, shown[t]), *(numbers.metric(float(values[t])) for values in beside.values())]
        for t, token in enumerate(tokens)
    ]
    notes = []
    if first:
        notes.append(f"the last {len(tokens)} of {len(gates['tokens'])} tokens")
    if any(unknown):
        notes.append("italics: not in the vocabulary")
    has_gaps = not all(np.isfinite(values).all() for values in (shown, *beside.values(), *units.values()))
    if has_gaps:
        notes.append(f"gaps: {numbers.NOT_A_NUMBER}")
    return Reading(
        role=str(gates.get("role", "")),
        place=f"{gates['source']}, line {gates.get('line', '')}" if "source" in gates else "",
        label=str(gates.get("label", "")),
        prediction=prediction,
        probability=probability,
        tokens=list(zip(tokens, unknown, strict=True)),
        curves=dict(list(zip(classes, shown.T, strict=True))[:NUM_COLOURS]),
        curves_title="probability after each token" if probability else "prediction after each token",
        curves_range=(0.0, 1.0) if probability or not np.isfinite(shown).any() else extent(shown),
        attention=attention,
        attributions=attributions,
        scores=tuple(map(float, gates["scores"])) if "scores" in gates else (np.nan, np.nan),  # type: ignore[arg-type]
        bands=bands,
        beside=beside,
        units=units,
        toward=tuple(shorten(text, 28) for text in gates.get("toward", ("toward the prediction", "away from it"))),  # type: ignore[arg-type]
        state=shown_state(gates),
        notes=notes,
        has_gaps=has_gaps,
        table=Table(["token", *(f"P({name})" if probability else name for name in classes), *beside], rows),
        maps=unit_maps(gates, activity or {}, first=first, most=MAX_UNITS)[:MAX_MAPS],
        tints=tints_of(answer_values(gates)[first:], prediction if probability else "", attributions),
    )


def shown_token(token: str, max_length: int) -> str:
    """White space by its sign, as where the tokens are characters."""
    return shorten(token, max_length) or ("⏎" if "\n" in token else "␣" if token else "")


def first_shown(gates: Mapping[str, NDArray[Any]]) -> int:
    """The token from which the last 60 are shown."""
    return max(0, len(gates["tokens"]) - MAX_TOKENS)


def answer_values(gates: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """(T,): after each token the probability of what is predicted in the end, of several labels of the most probable; or the number."""
    if "predictions" in gates:
        return gates["predictions"]
    answer, classes = str(gates["answer"]) if "answer" in gates else "", gates["classes"].tolist()
    final = gates["probabilities"][-1]
    return gates["probabilities"][:, classes.index(answer) if answer in classes else int(final.argmax())]


def predicted(gates: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], list[str], str, str]:
    """Values (T, K) after each token with the names of their columns; what is predicted in the end, and its probability if there is
    one. Readings from before there were other tasks have no answer."""
    if "predictions" in gates:
        return gates["predictions"][:, None], ["prediction"], str(gates["answer"]), ""
    values = gates["probabilities"]
    final, names = values[-1], [shown_token(name, 12) for name in gates["classes"].tolist()]
    answer = str(gates["answer"]) if "answer" in gates else str(gates["classes"][final.argmax()])
    return values, names, answer or "none", numbers.metric(answer_probability(gates))


def answer_probability(gates: Mapping[str, NDArray[Any]]) -> float:
    """Of the class that is predicted in the end, which a threshold may have chosen; of several labels the largest."""
    return float(answer_values(gates)[-1])


def gate_bands(gates: Mapping[str, NDArray[Any]], first: int) -> dict[str, NDArray[Any]]:
    """The mean over units, (T,), of each gate of the last layer that is not constant."""
    bands = {}
    for name in last_layer(gates):
        arrow = " ←" if name.endswith("_reverse") else ""
        for gate in gates["learned"]:
            bands[f"{str(gate).removesuffix('_gate')}{arrow}"] = gates[f"{name}.{gate}"][first:].mean(1)
    return bands


def shown_state(gates: Mapping[str, NDArray[Any]]) -> str:
    return "cell" if any(name.endswith(".cell") for name in gates) else "hidden"


def unit_bands(gates: Mapping[str, NDArray[Any]], first: int) -> dict[str, NDArray[Any]]:
    """The state (T,) of the units that contribute most, named by number and contribution."""
    names, state = last_layer(gates), shown_state(gates)
    hidden_size = gates[f"{names[0]}.{state}"].shape[1]
    bands = {}
    for unit, contribution in zip(gates["units"].tolist(), gates["contributions"].tolist(), strict=True):
        direction, number = divmod(unit, hidden_size)
        arrow = " ←" if direction else ""
        bands[f"{number}{arrow}  {numbers.formatted(contribution, '+.2f')}"] = gates[f"{names[direction]}.{state}"][
            first:, number
        ]
    return bands


def end_label(name: str, values: NDArray[Any]) -> str:
    """A curve's name and its last value; the name only where that is not a number, since nothing is drawn there."""
    return name if np.isnan(values[-1]) else f"{name} {values[-1]:.2f}"


def spread(values: NDArray[Any], gap: float) -> NDArray[Any]:
    """The values moved apart, keeping their order, so that labels do not overlap."""
    values = np.nan_to_num(values)
    order = np.argsort(values)
    places = values[order].astype(float)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    places -= max(0.0, places[-1] - 1.0)
    return places[np.argsort(order)]
