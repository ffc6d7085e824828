"""gatelab runs --csv and --json: a row a run, in full precision."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatelab.commands.compare import files_of, write_files
from gatelab.reports.terminal.run_list import sorted_runs
from gatelab.runs.csv_rows import RowWriter, as_cell
from gatelab.runs.flat_row import row_of
from gatelab.runs.folder import RunFolder
from gatelab.runs.load import readable_runs

Rows = Sequence[dict[str, Any]]


def export_runs(folders: list[RunFolder], sort: str | None, csv_file: Path | None, json_file: Path | None) -> None:
    """Write the files, of which one may be - for standard output. Raises RunError before anything is written."""
    asked = files_of((csv_file, to_csv), (json_file, to_json))
    runs, problems = readable_runs(folders)
    write_files(asked, [row_of(run) for run in sorted_runs(runs, sort)[0]], problems)


def to_csv(rows: Rows) -> str:
    """A column for each key that a row has, empty where another has none; lists as JSON. No text is a formula."""
    text = io.StringIO()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer = RowWriter(text)
    writer.writerow(map(as_cell, keys))
    for row in rows:
        values = [row.get(key) for key in keys]
        writer.writerow(as_cell(value) if is_plain(value) else json.dumps(value, default=str) for value in values)
    return text.getvalue()


def is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool))


def to_json(rows: Rows) -> str:
    """A list of objects. A number that is none, such as NaN, is null, since JSON has none."""
    finite = json.loads(json.dumps(rows, default=str), parse_constant=lambda _: None)
    return json.dumps(finite, indent=2, ensure_ascii=False) + "\n"
