"""A comparison as CSV, Markdown and LaTeX."""

import io
import re
from collections.abc import Iterable

from gatelab.reports.analysis.comparison import Comparison
from gatelab.reports.analysis.notes import caution_notes, failure_notes, method_notes
from gatelab.reports.terminal.comparison_table import UNFINISHED, count_texts, count_titles, number_texts, number_titles
from gatelab.runs.csv_rows import RowWriter, as_cell
from gatelab.runs.metrics import title_of

CSV_COLUMNS = (
    "metric", "arm", "kind", "is_reference", "seeds", "folds", "finished", *UNFINISHED, "mean", "std", "interval_low",
    "interval_high", "pairs", "difference", "difference_low", "difference_high", "p", "p_holm",
)  # fmt: skip
NO_INTERVAL = (None, None)
LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}", "[": "{[}", "]": "{]}", "*": "{*}", "±": r"$\pm$", "…": r"\dots{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip


def to_csv(comparison: Comparison, *, for_spreadsheets: bool = True) -> str:
    """A line for each arm and metric, numbers in full precision, empty where undefined. for_spreadsheets: no text is a formula."""
    text = io.StringIO()
    writer = RowWriter(text)
    writer.writerow(CSV_COLUMNS)
    for metric, rows in comparison.tables.items():
        for row in rows:
            words = ("finished", *UNFINISHED)
            counts = [""] * len(words) if row.statuses is None else [row.statuses[word] for word in words]
            replicates = [row.values.num, ""] if row.values.overlap is None else ["", row.values.num]
            texts = [title_of(metric), row.name, row.kind, str(row.is_reference).lower()]
            about = [*(map(as_cell, texts) if for_spreadsheets else texts), *replicates, *counts]
            mean = [row.values.mean, row.values.std, *(row.values.interval or NO_INTERVAL)]
            difference: list[float | None] = [None, None, *NO_INTERVAL]
            if row.difference is not None:
                difference = [row.difference.num, row.difference.mean, *(row.difference.interval or NO_INTERVAL)]
            writer.writerow([*about, *mean, *difference, row.p, row.p_holm])
    return text.getvalue()


def to_markdown(comparison: Comparison) -> str:
    """A GitHub table for each metric, the best line bold, and the notes."""
    titles = [*comparison.arms.titles, *count_titles(comparison), *number_titles(comparison)]
    num_names = len(comparison.arms.titles)
    rules = ["---"] * num_names + ["---:"] * (len(titles) - num_names)
    lines = []
    for metric, rows in comparison.tables.items():
        lines += [f"**{escape_markdown(title_of(metric))}**", "", bars(map(escape_markdown, titles)), bars(rules)]
        for row in rows:
            mean, *numbers = number_texts(row)
            strong = "**{}**" if row.is_best else "{}"
            cells = [strong.format(escape_markdown(cell)) if cell else "" for cell in row.cells]
            lines.append(bars([*cells, *count_texts(comparison, row), strong.format(mean) if mean else "", *numbers]))
        lines.append("")
    notes = [*method_notes(comparison), *caution_notes(comparison), *failure_notes(comparison)]
    return "\n".join([*lines, *(f"- {escape_markdown(note)}" for note in notes)]) + "\n"


def to_latex(comparison: Comparison) -> str:
    """A table environment with booktabs: intervals below their numbers, the best line bold, the notes as caption.
    Unfinished runs are counted in the table and listed in comments."""
    names, counts = comparison.arms.titles, count_titles(comparison)
    num_columns = len(names) + len(counts) + 3
    lines = [
        r"% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs}.",
        *("% " + " ".join(note.split()) for note in failure_notes(comparison)),
        r"\begin{table}",
        r"\centering\small",
        rf"\begin{{tabular}}{{@{{}}{'l' * len(names)}{'r' * (num_columns - len(names))}@{{}}}}",
        r"\toprule",
        *two_lines(names, counts, number_titles(comparison)),
    ]
    for metric, rows in comparison.tables.items():
        title = escape_latex(title_of(metric))
        lines += [r"\midrule", rf"\multicolumn{{{num_columns}}}{{@{{}}l}}{{\emph{{{title}}}}} \\"]
        for row in rows:
            lines += two_lines(row.cells, count_texts(comparison, row), number_texts(row), row.is_best)
            lines.append(r"\addlinespace[2pt]")
        lines.pop()
    sweeps = sorted({run.settings["name"] for arm in comparison.arms.arms for run in arm.runs})
    caption = " ".join(map(escape_latex, [*method_notes(comparison), *caution_notes(comparison)]))
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", rf"\label{{tab:{'-'.join(sweeps)}}}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def two_lines(names: Iterable[str], counts: list[str], numbers: list[str], is_best: bool = False) -> list[str]:
    """A line of names, counts and numbers, and below the numbers their intervals."""
    mean, interval, difference, difference_interval, p = map(latex_number, numbers)
    cells = [rf"\textbf{{{cell}}}" if is_best and cell else cell for cell in map(escape_latex, names)]
    upper = [*cells, *counts, rf"\boldmath{mean}" if is_best else mean, difference, p]
    below = [rf"\scriptsize {text}" if text else "" for text in (interval, difference_interval)]
    lower = [*[""] * (len(cells) + len(counts)), *below, ""]
    return [ampersands(upper), *([ampersands(lower)] if any(below) else [])]


def bars(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def ampersands(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def latex_number(text: str) -> str:
    """In math mode if it is a number, mean ± sd, or an interval."""
    return f"${text.replace('±', chr(92) + 'pm')}$" if re.fullmatch(r"[-+\de.,± \[\]]+", text) else escape_latex(text)


def escape_markdown(text: str) -> str:
    """On one line, with Markdown escaped; an underscore inside a word needs no escape."""
    text = re.sub(r"[\\`*|~$]|&(?=[\w#]+;)|<(?=[\w/!?])|\](?=\()", r"\\\g<0>", " ".join(text.split()))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)


def escape_latex(text: str) -> str:
    """On one line, with LaTeX escaped; two hyphens stay two."""
    escaped = "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", escaped)
