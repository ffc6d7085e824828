"""Equations as trees, in plain text and LaTeX. A tree is made of plain lists, which a run folder keeps and a page draws:

["number", "2"]
["symbol", letter, "" or "tilde" or "hat" or "bar", [index, …]]     c̃_t is ["symbol", "c", "tilde", ["t"]]
["row", …]                      trees with operators between them: + − ∘ = …; " " multiplies by a matrix or a number
["call", symbol, tree, …]       a function of trees
["bracket", tree]   ["fraction", tree, tree]   ["power", tree, tree]
"""

import re
from collections.abc import Sequence
from typing import Any

from gatelab.errors import CellError

Tree = list[Any]

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}  # fmt: skip
ACCENTS = {"tilde": "\u0303", "hat": "\u0302", "bar": "\u0304"}
LATEX = {"−": "-", "∘": r"\circ", "≥": r"\ge", "≤": r"\le", "≠": r"\ne"} | {
    letter: f"\\{name}" for name, letter in GREEK.items()
}
LATEX_FUNCTIONS = ("tanh", "exp", "log", "max", "min", "sin", "cos")
COMPARISON, SUM, PRODUCT, LINEAR, ATOM = range(5)  # what binds how tightly


def text(tree: Tree) -> str:
    """f_t = σ(W_f x_t + U_f h_{t−1} + b_f)"""
    kind, *parts = tree
    if kind == "number":
        return str(parts[0])
    if kind == "symbol":
        letter, accent, indices = parts
        index = ",".join(indices)
        return letter + ACCENTS.get(accent, "") + (f"_{index}" if index.isalnum() else f"_{{{index}}}" if index else "")
    if kind == "row":
        return written(parts, text, {})
    if kind == "call":
        return f"{text(parts[0])}({', '.join(map(text, parts[1:]))})"
    if kind == "bracket":
        return f"({text(parts[0])})"
    if kind == "fraction":
        return f"{text(bracketed(parts[0], PRODUCT))} / {text(bracketed(parts[1], ATOM))}"
    base, exponent = map(text, parts)
    return f"{base}^{exponent}" if exponent.isalnum() else f"{base}^({exponent})"


def latex(tree: Tree) -> str:
    r"""f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)"""
    kind, *parts = tree
    if kind == "number":
        return str(parts[0])
    if kind == "symbol":
        letter, accent, indices = parts
        shown = f"\\{accent}{{{latex_letter(letter)}}}" if accent else latex_letter(letter)
        index = ",".join(map(latex_letter, indices))
        return shown + (f"_{index}" if len(index) == 1 else f"_{{{index}}}" if index else "")
    if kind == "row":
        return written(parts, latex, LATEX)
    if kind == "call":
        name = latex(parts[0])
        return name + latex_bracket(", ".join(map(latex, parts[1:])))
    if kind == "bracket":
        return latex_bracket(latex(parts[0]))
    first, second = map(latex, parts)
    return f"\\frac{{{first}}}{{{second}}}" if kind == "fraction" else f"{first}^{{{second}}}"


def latex_letter(letter: str) -> str:
    if letter in LATEX_FUNCTIONS:
        return f"\\{letter}"
    plain = letter.replace("−", "-").replace("′", "'")
    return LATEX.get(letter, plain if len(plain.strip("'")) == 1 or plain == "t-1" else f"\\mathrm{{{plain}}}")


def latex_bracket(inside: str) -> str:
    return f"\\left({inside}\\right)" if "\\frac" in inside else f"({inside})"


def written(parts: Sequence[Any], write: Any, spelling: dict[str, str]) -> str:
    shown = ""
    for number, part in enumerate(parts):
        if not isinstance(part, str):
            shown += write(part)
        elif part == " ":
            shown += " "
        elif part == ",":
            shown += ", "
        else:
            sign = spelling.get(part, part)
            shown += f" {sign} " if number else sign
    return shown


def symbol(letter: str, *indices: str) -> Tree:
    return ["symbol", letter, "", [*filter(None, indices)]]


def number(value: float) -> Tree:
    shown = f"{abs(value):g}" if float(f"{value:g}") == value else repr(abs(value))
    return ["row", "−", ["number", shown]] if value < 0 else ["number", shown]


def separated(trees: Sequence[Tree], sign: str = ",") -> list[Any]:
    return [part for tree in trees for part in (sign, tree)][1:]


def level(tree: Tree) -> int:
    """How tightly a tree holds together."""
    if tree[0] == "fraction":
        return PRODUCT
    signs = {part for part in tree[1:] if isinstance(part, str)} if tree[0] == "row" else set()
    if signs - {"+", "−", "∘", " "}:
        return COMPARISON
    return SUM if signs & {"+", "−"} else PRODUCT if "∘" in signs else LINEAR if signs else ATOM


def bracketed(tree: Tree, least: int) -> Tree:
    return tree if level(tree) >= least else ["bracket", tree]


def parts_of(tree: Tree, kind: int) -> list[Any]:
    return tree[1:] if tree[0] == "row" and level(tree) == kind else [tree]


def total(x: Tree, sign: str, y: Tree) -> Tree:
    left = parts_of(bracketed(x, SUM), SUM)
    if level(y) == SUM and y[0] == "row" and y[1] == "−" and len(y) == 3:  # a negative number
        return ["row", *left, "+" if sign == "−" else "−", y[2]]
    right = parts_of(bracketed(y, SUM), SUM) if sign == "+" and y[1] != "−" else [bracketed(y, PRODUCT)]
    return ["row", *left, sign, *right]


def product(x: Tree, y: Tree) -> Tree:
    """Numbers first, without a sign."""
    if y[0] == "number":
        x, y = y, x
    right = parts_of(bracketed(y, PRODUCT), PRODUCT)
    if x[0] == "number" and y[0] != "number":
        return ["row", x, " ", *right]
    return ["row", *parts_of(bracketed(x, PRODUCT), PRODUCT), "∘", *right]


def parse_symbol(name: str, given: str) -> tuple[str, str]:
    r"""\tilde{c}, \alpha, c or \mathrm{leak}: letter and accent."""
    found = re.fullmatch(r"(?:\\(tilde|hat|bar|mathrm)\{)?(\\?)([A-Za-z]+)(\}?)", given)
    if found is None or bool(found[1]) != bool(found[4]) or (found[2] and found[3] not in GREEK):
        raise CellError(
            f"symbols[{name!r}] = {given!r} is no symbol that formulas know: a letter, \\alpha, \\tilde{{c}}, \\hat{{c}}, \\bar{{c}} "
            "or \\mathrm{word}."
        )
    return GREEK[found[3]] if found[2] else found[3], found[1] if found[1] in ACCENTS else ""
