"""Result files of experiments, made from run folders: NAME.md with its picture, and README.md with the table of all.

The first line of a NAME.md holds its row of the table, so that runs of other names need not be there when the table is written.
"""

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gatelab.bounded import MIB, read_text
from gatelab.errors import RunError
from gatelab.files import atomic_write
from gatelab.reports import numbers
from gatelab.reports.analysis.claims import can_be_solved, claimed_metrics, headline, judge_all
from gatelab.reports.analysis.comparison import Comparison
from gatelab.reports.analysis.statement import statement_of
from gatelab.reports.pages.experiment_sections import (
    claims_table,
    deviations_table,
    run_cost,
    seeds_table,
    setting_facts,
    solved_table,
)
from gatelab.reports.pages.sweep_page import compare_sweep, ordered_arms, was_typed
from gatelab.reports.terminal.formats import bars, escape_markdown
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import Run, load_runs

MARK, END = "<!-- Written by gatelab report --results ", " -->"
README = "README.md"
# Of the command, what is of one machine or of the screen.
PLACES = ("output_dir", "data.cache_dir", "hydra.sweep.dir", "name", "report")
# What stands before the name of a file, of a path that is no URL: any folders, or those of one from the root or home.
FOLDERS, ABSOLUTE = (re.compile(rf"(?<![^=,\[{{'\"\s])(?!\w+://){start}[^=,\[\]'\"]*/") for start in ("", "[~/]"))


class ResultRow(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: str
    question: str
    headline: str
    runs: int
    cpu_seconds: float


def check_results(folders: Sequence[RunFolder], place: Path) -> None:
    """Raise RunError for runs of no experiment, quick ones, and ones that have not ended; and where a file in place is of somebody else."""
    runs, name = load_runs(list(folders)), folders[0].path.parent.name
    stated = statement_of(runs)
    if stated.is_quick:
        raise RunError(
            f"{name}: has quick runs (+quick=true), which show that an experiment works and are no results. Run it in full."
        )
    if not stated.experiment.has_criteria:
        raise RunError(
            f"{name}: states no criterion, so that nothing can be reproduced. Add experiment.claims, or experiment.published with a "
            f"margin, to experiments/{name}.yaml (docs/papers.md)."
        )
    waiting = [run.identity for run in runs if run.status in ("running", "interrupted")]
    if waiting:
        raise RunError(
            f"{name}: run {waiting[0]} has not ended. The same gatelab train finishes it; results are of all runs."
        )
    if f"{name}.md" == README:
        raise RunError(f"{name}: is the file of all results. Give the runs another name=.")
    if not any(run.status == "finished" and run.record.numbers() for run in runs):
        raise RunError(f"{name}: no run is finished with a number, so there is no result.")
    for file in files_of(name, place):
        refuse_foreign(file)


def write_results(folders: Sequence[RunFolder], place: Path, picture: Path) -> list[Path]:
    """Write NAME.md, its picture and README.md into place; returns them. Raises RunError as check_results does; then nothing is written."""
    check_results(folders, place)
    runs, name = load_runs(list(folders)), folders[0].path.parent.name
    rows = {row.name: row for row in read_rows(place)}
    rows[name], text = result_text(name, runs, compare_sweep(runs))
    files = files_of(name, place)
    place.mkdir(parents=True, exist_ok=True)
    contents: tuple[bytes | str, ...] = (picture.read_bytes(), text, table_text(rows.values()))
    for file, content in zip(files, contents, strict=True):
        atomic_write(file, content)
    return files


def files_of(name: str, place: Path) -> list[Path]:
    return [place / f"{name}.svg", place / f"{name}.md", place / README]


def refuse_foreign(file: Path) -> None:
    """A picture is of this command where its NAME.md is."""
    marked = file.with_suffix(".md") if file.suffix == ".svg" else file
    if (file.exists() or file.is_symlink()) and not (marked.is_file() and first_line(marked).startswith(MARK)):
        raise RunError(
            f"{file}: was not written by gatelab report --results, and is not overwritten. Move it, or give another folder."
        )


def first_line(file: Path) -> str:
    try:
        return read_text(file, MIB).partition("\n")[0]
    except (OSError, ValueError):  # no text: not of this command
        return ""


def read_rows(place: Path) -> list[ResultRow]:
    """Those of the result files that are there. Raises RunError for one whose first line was changed."""
    rows = []
    for file in sorted(place.glob("*.md")):
        line = first_line(file)
        if file.name == README or not line.startswith(MARK):
            continue
        try:
            rows.append(ResultRow.model_validate_json(line.removeprefix(MARK).removesuffix(END)))
        except ValueError:
            raise RunError(
                f"{file}: its first line was changed, and is no row of the table. Remove the file; gatelab report {file.stem} --results "
                "writes it again."
            ) from None
    return rows


def marked(values: dict[str, Any]) -> str:
    """A comment with the values, in which no value can end it."""
    return MARK + json.dumps(values, ensure_ascii=False).replace("-", "\\u002d").replace(">", "\\u003e") + END


def result_text(name: str, runs: Sequence[Run], comparison: Comparison) -> tuple[ResultRow, str]:
    stated, arms = statement_of(runs), ordered_arms(comparison)
    experiment, judged = stated.experiment, judge_all(stated.experiment, arms)
    spent = sum(run.record.resources.cpu_seconds or 0 for run in runs)
    row = ResultRow(
        name=name, question=experiment.question, headline=headline(judged), runs=len(runs), cpu_seconds=float(round(spent, 1))
    )  # fmt: skip
    solved, metrics = solved_table(arms), claimed_metrics(experiment, runs)
    lines = [
        marked(row.model_dump()), f"# {escape_markdown(name)}", "", escape_markdown(experiment.question), "",
        f"**Claimed:** {escape_markdown(experiment.claim)}", "", f"**{escape_markdown(row.headline)}.**", "",
        *markdown(claims_table(judged)),
        *([f"- {escape_markdown(caution)}" for caution in stated.cautions] + [""] if stated.cautions else []),
        f"![Every run]({name}.svg)", "", "## Result", "",
        *(markdown(solved) if solved else []),
        *(line for metric in metrics for line in markdown(seeds_table(arms, metric, not can_be_solved(runs)))),
        "## Setting", "", *facts(setting_facts(runs)),
        *(["## Deviations", "", *markdown(deviations_table(experiment))] if experiment.deviations else []),
        "## Cost", "", *facts(run_cost(runs)),
        "## Repeat", "", f"    {command_of(name, runs)}", f"    gatelab report {shlex.quote(name)} --results experiments/results",
    ]  # fmt: skip
    return row, "\n".join(lines) + "\n"


def markdown(table: dict[str, Any]) -> list[str]:
    titles, kinds = zip(*table["columns"], strict=True)
    rules = ["---:" if kind == "number" else "---" for kind in kinds]
    body = [bars(map(escape_markdown, row)) for row in table["rows"]]
    return [bars(map(escape_markdown, titles)), bars(rules), *body, ""]


def facts(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [*(f"- {name}: {escape_markdown(text)}" for name, text in pairs), ""]


def command_of(name: str, runs: Sequence[Run]) -> str:
    """The command that a user typed, without what is of one machine; files by their names."""
    typed = next((run.record.command[1:] for run in runs if was_typed(run)), [])
    words = [word for word in typed if word != "train" and word.partition("=")[0].lstrip("+") not in PLACES]
    kept = [(FOLDERS if word.startswith("data.") else ABSOLUTE).sub("", word) for word in words]
    kept = kept if any(word.startswith("experiment") for word in kept) else [f"experiments={name}", *kept]
    return shlex.join(["gatelab", "train", *kept])


def table_text(rows: Iterable[ResultRow]) -> str:
    head, rules = (
        bars(["experiment", "question", "verdict", "runs", "processor time"]),
        bars(["---"] * 3 + ["---:"] * 2),
    )
    lines = []
    for row in sorted(rows, key=lambda row: row.name):
        name, question, verdict = map(escape_markdown, (row.name, row.question, row.headline))
        lines.append(
            bars([f"[{name}]({row.name}.md)", question, verdict, f"{row.runs:,}", numbers.duration(row.cpu_seconds)])
        )
    return "\n".join([MARK + END.strip(), "# Results", "", head, rules, *lines, "", "Each made by `gatelab report NAME --results FOLDER` from its run folders; what the verdicts mean is in `docs/papers.md`."]) + "\n"  # fmt: skip
