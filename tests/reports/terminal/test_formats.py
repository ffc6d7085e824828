import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from run_folders import Folders

from gatelab.reports.analysis.comparison import Comparison, compare
from gatelab.reports.terminal.formats import LATEX, escape_latex, to_csv, to_latex, to_markdown
from gatelab.runs.folder import all_runs
from gatelab.runs.load import load_runs

NASTY = r"""[50% & more]_#$^~\{x} "q" 'a' `b` <c>|d* *e* --- _f_ &lt; ![g](h) é ± …"""
VALUES = (1 / 3, 0.7, 0.1 + 0.2)


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    """Two arms, one with a text in its name that means something to every format."""
    folders = Folders(tmp_path / "outputs")
    for seed, value in enumerate(VALUES):
        folders.write(seed, value, settings={"data.text": NASTY}, name="my_sweep")
        folders.write(seed, value / 2, settings={"data.text": "*plain"}, name="my_sweep")
    folders.write(
        9, settings={"data.text": NASTY}, status="failed", error=r"ValueError: \end{table} % $x$", name="my_sweep"
    )
    return compare(load_runs(all_runs(folders.output_dir)))


def test_csv_has_a_line_an_arm_and_metric_in_full_precision(comparison: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(comparison))))
    assert [(line["metric"], line["arm"]) for line in lines] == [
        (metric, f"text={name}") for metric in ("accuracy", "macro-F1") for name in (NASTY, "*plain")
    ]
    first, second = lines[:2]
    assert (first["seeds"], first["failed"], first["is_reference"], first["difference"]) == ("3", "1", "true", "")
    assert float(first["mean"]) == pytest.approx(np.mean(VALUES), abs=1e-16)
    assert float(first["std"]) == pytest.approx(np.std(VALUES, ddof=1), abs=1e-16)
    assert float(second["difference"]) == pytest.approx(-np.mean(VALUES) / 2, abs=1e-16)
    assert (second["pairs"], second["p"], second["p_holm"]) == ("3", "0.25", "0.25")


def test_markdown_shows_every_text_as_it_is(comparison: Comparison) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(comparison))
    texts = []
    for token in tokens:
        assert token.type not in ("html_block", "code_block")
        children = token.children or []
        assert {child.type for child in children} <= {"text", "strong_open", "strong_close", "text_special"}
        texts.append("".join(child.content for child in children))
    assert texts.count(NASTY) == 2  # in both tables, in the column of the setting
    assert texts.count("*plain") == 2
    assert any(r"ValueError: \end{table} % $x$" in text for text in texts)
    rows = sum(token.type == "tr_open" for token in tokens)
    assert rows == 2 * 3


def test_latex_leaves_no_character_with_a_meaning(comparison: Comparison) -> None:
    escaped = escape_latex(NASTY)
    for letter, written in sorted(LATEX.items(), key=lambda item: -len(item[1])):
        assert (letter in NASTY) <= (written in escaped)
    plain = re.sub(r"\\text\w+\{\}|\\dots\{\}|\$\\pm\$|\\[&%$#_{}]|\{[][*]\}|-\{\}", "", escaped)
    assert not re.search(r"[\\&%$#_{}~^<>|\"`'*\[\]]|--", plain)


def test_every_line_of_latex_has_all_its_columns_and_the_best_is_bold(comparison: Comparison) -> None:
    text = to_latex(comparison)
    columns = len(re.search(r"\{@\{\}(\w+)@\{\}\}", text)[1])  # type: ignore[index]
    lines = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert len(lines) == 2 + 2 * 2 * 2  # titles, two metrics, two arms, a number and its interval
    assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {columns}
    assert [line.startswith(r"\textbf{{[}50\% \& more{]}") for line in lines].count(True) == 2
    assert rf"\boldmath${np.mean(VALUES):.4f} \pm {np.std(VALUES, ddof=1):.4f}$" in text
    assert r"\label{tab:my_sweep}" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}") + comment_braces(text)


def comment_braces(text: str) -> int:
    comments = "\n".join(line for line in text.splitlines() if line.startswith("%"))
    return comments.count("{") - comments.count(r"\{") - comments.count("}") + comments.count(r"\}")


def test_latex_compiles(comparison: Comparison, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    (tmp_path / "table.tex").write_text(to_latex(comparison), encoding="utf-8")
    page = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}\input{table}\end{document}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "page.pdf").exists()
