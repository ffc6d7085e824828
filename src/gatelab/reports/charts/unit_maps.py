"""Every unit of a gate or state while the model reads a text, in an order that is the same for all texts. T tokens, U units shown, H hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.reports.charts.colours import scale_of
from gatelab.runs.activity import DEVIATION

Order = Literal["weight", "activity", "number"]
MAX_UNITS = 64  # on a page
MAX_MAPS = 24
ORDERS = {
    "weight": "by their weight in the decision",
    "activity": "by how far their state moves over the texts of the {part}",
    "number": "by their number",
}


@dataclass(frozen=True)
class UnitMap:
    """name: as in the arrays, such as l0.forget_gate. units (U,): their numbers, and values (T, U) of them; shown from low to high."""

    name: str
    title: str  # forget gate, layer 1 ←
    ordered: str
    num_units: int  # H
    units: NDArray[Any]
    values: NDArray[Any]
    colours: tuple[str, ...]
    low: float
    high: float


def unit_maps(
    gates: Mapping[str, NDArray[Any]], activity: Mapping[str, NDArray[Any]], *, first: int = 0, order: Order = "weight",
    names: Sequence[str] = (), most: int | None = None,
) -> list[UnitMap]:  # fmt: skip
    """Of names, by default of all gates and states that are not constant, those of the last layer first. first: the first token shown.

    Raises ValueError for arrays that are none of a reading.
    """
    length, maps = len(gates["tokens"]), []
    for name in names or map_names(gates):
        values = gates[name]
        if values.ndim != 2 or len(values) != length:
            raise ValueError(f"{name} has the shape {values.shape}, of {length} tokens")
        if not names and np.ptp(values) == 0:
            continue
        layer, _, field = name.partition(".")
        units, ordered = order_units(gates, activity, layer, order)
        units = units[:most]
        maps.append(
            UnitMap(
                name, f"{field.replace('_', ' ')}, {place(layer)}", ordered, values.shape[1], units, values[first:, units],
                *scale_of(field, values),
            )
        )  # fmt: skip
    return maps


def map_names(gates: Mapping[str, NDArray[Any]]) -> list[str]:
    """Of all layers and directions, the last layer first, each in the order of its equations."""
    return [name for layer in layers(gates)[::-1] for name in gates if name.startswith(f"{layer}.")]


def layers(gates: Mapping[str, NDArray[Any]]) -> list[str]:
    """Layers with their directions: ["l0", "l0_reverse", "l1", "l1_reverse"]."""
    found = {name.removesuffix(".hidden") for name in gates if name.endswith(".hidden")}
    return sorted(found, key=lambda name: (number_of(name), name))


def last_layer(gates: Mapping[str, NDArray[Any]]) -> list[str]:
    """The directions of the last layer: ["l1", "l1_reverse"]."""
    found = layers(gates)
    return [name for name in found if number_of(name) == number_of(found[-1])]


def number_of(layer: str) -> int:
    return int(layer[1:].split("_")[0])


def place(layer: str) -> str:
    """layer 2 ← of l1_reverse"""
    return f"layer {number_of(layer) + 1}{' ←' if layer.endswith('_reverse') else ''}"


def order_units(
    gates: Mapping[str, NDArray[Any]], activity: Mapping[str, NDArray[Any]], layer: str, order: Order
) -> tuple[NDArray[Any], str]:
    """The units of a layer, (H,), and by what they are ordered: by weight those of the last layer, others by activity where it was measured."""
    size, last = gates[f"{layer}.hidden"].shape[1], last_layer(gates)
    if order == "weight" and layer in last and "weights" in gates:
        weights = gates["weights"].reshape(len(last), size)[last.index(layer)]
        return np.argsort(-weights, kind="stable"), ORDERS["weight"]
    if order != "number" and f"{layer}.hidden" in activity:
        moved = activity[f"{layer}.hidden"][DEVIATION]
        if moved.shape != (size,):
            raise ValueError(f"gates.npz is of {len(moved)} units, the reading of {size}")
        return np.argsort(-moved, kind="stable"), ORDERS["activity"].format(part=activity["part"])
    return np.arange(size), ORDERS["number"]
