"""equations.json: the equations of a run's cell: text, LaTeX, and the tree that a page draws (gatelab.recurrent.notation)."""

import json
from pathlib import Path
from typing import Any, TypedDict

from gatelab.bounded import MIB, read_json
from gatelab.errors import RunError
from gatelab.files import atomic_write

MAX_DEPTH = 60
NUM_PARTS = {"bracket": 1, "fraction": 2, "power": 2}
ACCENTS = ("", "tilde", "hat", "bar")


class Equation(TypedDict):
    text: str
    latex: str
    tree: list[Any]  # ["row", left, "=", right]


def write_equations(file: Path, equations: list[Equation]) -> None:
    atomic_write(file, json.dumps(equations, indent=1, ensure_ascii=False) + "\n")


def read_equations(file: Path) -> list[Equation]:
    """None where there is no file. Raises RunError for one that is not what write_equations writes."""
    try:
        equations = read_json(file, MIB)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{file}: {error.strerror}. Remove it to have the page without it.") from None
    except ValueError as error:
        raise RunError(f"{file}: is not valid JSON ({error}). Remove it to have the page without it.") from None
    if not isinstance(equations, list) or not all(map(is_equation, equations)):
        raise RunError(f"{file}: holds no equations. Remove it to have the page without it.")
    return equations


def is_equation(value: Any) -> bool:
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("text", "latex")):
        return False
    tree: Any = value.get("tree")
    return (
        is_tree(tree)
        and tree[0] == "row"
        and len(tree) == 4
        and tree[2] == "="
        and is_tree(tree[1])
        and is_tree(tree[3])
    )


def is_tree(value: Any, depth: int = 0) -> bool:
    if not isinstance(value, list) or not value or depth > MAX_DEPTH:
        return False
    kind, *parts = value
    if kind == "number":
        return len(parts) == 1 and isinstance(parts[0], str)
    if kind == "symbol":
        if len(parts) != 3 or not isinstance(parts[0], str) or parts[1] not in ACCENTS:
            return False
        return isinstance(parts[2], list) and all(isinstance(index, str) for index in parts[2])
    if kind not in ("row", "call", *NUM_PARTS) or not parts or len(parts) != NUM_PARTS.get(kind, len(parts)):
        return False
    return all((kind == "row" and isinstance(part, str)) or is_tree(part, depth + 1) for part in parts)
