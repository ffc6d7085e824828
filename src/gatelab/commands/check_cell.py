"""gatelab cell: the equations of a cell, and whether it keeps what every cell promises."""

from collections.abc import Sequence
from typing import Any

import torch
from rich.table import Table

from gatelab.commands.dotlist import values_of
from gatelab.config.targets import find_own_modules, locate
from gatelab.errors import CellError, ConfigError, did_you_mean
from gatelab.recurrent import Cell, Recurrent, cells, checks
from gatelab.recurrent.formula import formula
from gatelab.recurrent.notation import text
from gatelab.screen import console, show_error, styled


def check_cell(name: str, settings: Sequence[str], input_size: int, hidden_size: int) -> bool:
    """Print all of it, the time of a cell that passes; False where a check fails. Raises ConfigError for a name that is no cell."""
    try:
        cell = find_cell(name, settings)
        equations = formula(cell)
        layers = Recurrent(cell, input_size, hidden_size)
    except CellError as error:
        show_error(str(error))
        return False
    kind = type(cell)
    console.print(styled(kind.__qualname__, "bold"), f" {kind.__module__}\n")
    table = Table.grid(padding=(0, 1))
    for _, left, _, right in equations:
        table.add_row("  ", text(left), "=", text(right))
    console.print(table)
    console.print()
    number = sum(parameter.numel() for parameter in layers.parameters())
    show("parameters", f"{number:,}", f"input size {input_size}, hidden size {hidden_size}")
    problems = [problem for check in (gradients, fused, compiled, ragged) if (problem := check(cell))]
    for problem in problems:
        show_error(f"{kind.__qualname__}: {problem}")
    if problems:
        return False
    backends: list[checks.Backend] = ["fused", "compiled", "equations"] if cell.pointwise else ["equations"]
    if cell.pointwise and checks.why_not_compiled(cell):
        backends.remove("compiled")
    (_, ratio), *others = zip(backends, checks.time_ratios(cell, backends), strict=True)
    B, T, E, H = checks.TIMED
    also = ", ".join(f"backend={name} {other:.2f} ×" for name, other in others)
    show(
        "time",
        f"{ratio:.2f} ×",
        f"nn.LSTM's{also and f'; {also}'}. Forward and backward of {T} steps, batch {B}, input {E}, hidden {H}, "
        f"{torch.get_num_threads()} threads; medians of {checks.ROUNDS} rounds",
    )
    return True


def find_cell(name: str, settings: Sequence[str] = ()) -> Cell:
    """A shipped cell by its name, one of the user's own by that of its module too; settings as "key=value"."""
    is_name = all(part.isidentifier() for part in name.split("."))
    if not is_name or ("." not in name and name not in cells.__all__):
        raise ConfigError(
            f"{name}: is no shipped cell.{did_you_mean(name, cells.__all__)} There are {', '.join(cells.__all__)}; one of your "
            "own is named with its module: mine.MyCell."
        )
    find_own_modules()
    try:
        kind: Any = locate("cell", name) if "." in name else getattr(cells, name)
    except SyntaxError as error:
        raise ConfigError(f"{error.filename}, line {error.lineno}: {error.msg}.") from None
    if not (isinstance(kind, type) and issubclass(kind, Cell)):
        raise ConfigError(f"{name}: is no Cell. Derive the class from gatelab.recurrent.Cell.")
    if unclear := [word for word in settings if "=" not in word]:
        raise ConfigError(f"{unclear[0]}: is no setting. Give KEY=VALUE, such as peepholes=true.")
    values = values_of(settings)
    try:
        return kind(**values)
    except CellError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} refused its settings: {error}") from None


def gradients(cell: Cell) -> str:
    good = checks.gradients_agree(cell)
    show("gradients", good, f"{'equal' if good else 'unequal'} to finite differences, in float64")
    jumps = "A jump has none to find; an equation with a kink may fail by chance"
    return "" if good else f"its gradients are not those of finite differences. {jumps}."


def fused(cell: Cell) -> str:
    if not cell.pointwise:
        show("fused", "none", "not pointwise, so computed step by step")
        return ""
    return compare(cell, "fused")


def compiled(cell: Cell) -> str:
    if not cell.pointwise:
        return ""
    if problem := checks.why_not_compiled(cell):
        show("compiled", "none", f"backend=compiled {problem}")
        return ""
    return compare(cell, "compiled")


def compare(cell: Cell, backend: checks.Backend) -> str:
    found = checks.backend_difference(cell, backend)
    good = found <= checks.MAX_DIFFERENCE
    show(backend, good, f"within {found:.1e} of the equations step by step, gradients too")
    reason = "Equations may not depend on the shape of a tensor, or on anything but their arguments and settings"
    return "" if good else f"the {backend} loop differs from the equations by {found:.1e}. {reason}."


def ragged(cell: Cell) -> str:
    found = checks.ragged_difference(cell)
    show("ragged", found <= checks.MAX_DIFFERENCE, f"within {found:.1e} of each row by itself, gradients too")
    problem = f"rows in one batch differ from each by itself by {found:.1e}. A row may not see another"
    return "" if found <= checks.MAX_DIFFERENCE else f"{problem}."


def show(title: str, value: str | bool, note: str) -> None:
    line = Table.grid(padding=(0, 1))
    line.add_column(width=12)
    line.add_column(width=9)
    shown = value if isinstance(value, str) else "ok" if value else "FAILED"
    style = "bold red" if value is False else "bold"
    line.add_row(title, styled(shown, style), note)
    console.print(line)
