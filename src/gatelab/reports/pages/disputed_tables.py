"""Tables of where arms disagree; a cell is text, markup, or (shown, sort key)."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from gatelab.reports import numbers
from gatelab.reports.analysis.disagreement import Disagreement, DisputedRow, Verdict
from gatelab.reports.shown import folded, isolated, shorten

MAX_VERDICTS = 5  # arms shown in columns


def disagreement_matrix(found: Disagreement) -> list[tuple[str, list[tuple[int, str, int] | None]]]:
    """For each pair of arms the rows that the first wins, their fraction of the shared rows, and a shade from 0 to 10."""
    largest = max(1e-9, float((found.won / found.shared.clip(1)).max()))
    lines = []
    for i, arm in enumerate(found.arms):
        cells: list[tuple[int, str, int] | None] = []
        for j, (won, shared) in enumerate(zip(found.won[i].tolist(), found.shared[i].tolist(), strict=True)):
            fraction = won / max(1, shared)
            shade = round(10 * fraction / largest)
            cells.append((won, numbers.percentage(fraction), shade) if i != j and shared else None)
        lines.append((arm.name, cells))
    return lines


def disputed_table(found: Disagreement) -> dict[str, Any]:
    """The rows with the verdict of each arm; for more than five arms, the matrix numbers of correct and wrong ones."""
    each = len(found.arms) <= MAX_VERDICTS
    columns = [("text", "long"), ("label", "text")]
    by_arm = [(shorten(arm.name), "text") for arm in found.arms]
    columns += by_arm if each else [("arms correct", "text"), ("arms wrong", "text")]
    columns.append(("line", "number"))
    files = sorted({row.file for row in found.rows})
    rows = []
    for row in found.rows:
        place = f"line {row.line} of {row.file}"
        missing = Markup('<span class="note">not kept</span>')
        text = missing if row.text is None else folded(row.text, row.characters, place)
        said = [verdict_cell(verdict) for verdict in row.verdicts] if each else sides(row)
        line = f"{row.line}" if len(files) == 1 else f"{row.file}:{row.line}"
        rows.append([text, isolated(row.label), *said, (isolated(line), row.line)])
    note = f"Lines of {files[0]}." if len(files) == 1 else "Lines follow the file name."
    return {"columns": columns, "rows": rows, "note": note}


def verdict_cell(verdict: Verdict | None) -> Any:
    """Correct or wrong, the prediction, and of several seeds that tested the row the number of correct ones."""
    if verdict is None:
        return ("", "")
    mark = "✓" if 2 * verdict.right > verdict.tested else "✗" if 2 * verdict.right < verdict.tested else "="
    seeds = f"{verdict.right} of {verdict.tested} correct" if verdict.tested > 1 else ""
    shown = Markup('{} {} <span class="note">{}</span>').format(mark, isolated(verdict.prediction), seeds)
    return (shown, f"{verdict.right / verdict.tested:.4f} {verdict.prediction}")


def sides(row: DisputedRow) -> list[Any]:
    """The correct arms, the wrong arms, and the predictions of these."""
    right, wrong, said = [], [], set()
    for number, verdict in enumerate(row.verdicts, 1):
        if verdict is not None and 2 * verdict.right > verdict.tested:
            right.append(number)
        elif verdict is not None and 2 * verdict.right < verdict.tested:
            wrong.append(number)
            said.add(verdict.prediction)
    errors = Markup('{} <span class="note">{}</span>').format(ranges(wrong), isolated(", ".join(sorted(said))))
    return [(ranges(right), len(right)), (errors, len(wrong))]


def ranges(counted: Sequence[int]) -> str:
    """1–3, 7 for 1, 2, 3, 7"""
    parts: list[list[int]] = []
    for number in counted:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}–{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
