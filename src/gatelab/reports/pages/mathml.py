"""Equations as MathML, which browsers draw without a script: from the trees of equations.json, whose leaves are text."""

from typing import Any

from markupsafe import Markup

from gatelab.reports.shown import visible

ACCENTS = {"tilde": "~", "hat": "^", "bar": "¯"}


def mathml(tree: list[Any]) -> Markup:
    return Markup('<math displaystyle="true">{}</math>').format(drawn(tree))


def drawn(tree: list[Any]) -> Markup:
    kind, *parts = tree
    if kind == "number":
        return leaf("mn", parts[0])
    if kind == "symbol":
        return symbol(*parts)
    if kind == "row":
        return element("mrow", *(operator(part) if isinstance(part, str) else drawn(part) for part in parts))
    if kind == "call":
        head, *arguments = map(drawn, parts)
        separated = [part for argument in arguments for part in (operator(","), argument)][1:]
        return element("mrow", head, operator("("), *separated, operator(")"))
    if kind == "bracket":
        return element("mrow", operator("("), drawn(parts[0]), operator(")"))
    return element({"fraction": "mfrac", "power": "msup"}[kind], *map(drawn, parts))


def symbol(letter: str, accent: str, indices: list[str]) -> Markup:
    shown = leaf("mi", letter.rstrip("′"))
    if letter.endswith("′"):
        shown = element("msup", shown, operator("′"))
    if accent:
        shown = Markup('<mover accent="true">{}<mo stretchy="false">{}</mo></mover>').format(shown, ACCENTS[accent])
    if not indices:
        return shown
    return element(
        "msub", shown, element("mrow", *[part for index in indices for part in (operator(","), time(index))][1:])
    )


def time(index: str) -> Markup:
    """t−1 as three parts."""
    name, minus, number = index.partition("−")
    return element("mrow", leaf("mi", name), operator(minus), leaf("mn", number)) if minus else leaf("mi", index)


def operator(sign: str) -> Markup:
    return Markup('<mspace width="0.2em"></mspace>') if sign == " " else leaf("mo", sign)


def leaf(name: str, content: str) -> Markup:
    return Markup(f"<{name}>{{}}</{name}>").format(visible(content))


def element(name: str, *inside: Markup) -> Markup:
    return Markup(f"<{name}>{{}}</{name}>").format(Markup("").join(inside))
