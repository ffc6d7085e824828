"""The terminal at the end of a run as an SVG: python tools/terminal_picture.py RUN_FOLDER OUT.svg"""

import re
import sys
from collections import defaultdict
from io import StringIO
from pathlib import Path

from gatelab.reports.numbers import metric
from gatelab.reports.terminal.result import result_table
from gatelab.runs.folder import RunFolder
from gatelab.runs.history import read_values
from gatelab.screen import Screen


def draw_run(folder: RunFolder) -> str:
    """SVG with the validation metrics of each epoch, from metrics.csv, and the test table."""
    console = Screen(record=True, width=96, file=StringIO())
    console.print("$ make train", style="bold")
    epochs: dict[int, dict[str, float]] = defaultdict(dict)
    for epoch, _, name, value in read_values(folder.metrics):
        epochs[epoch][name] = value
    for epoch, values in epochs.items():
        if "validation/loss" in values:
            console.print(
                f"epoch {epoch + 1:>3}  validation loss {metric(values['validation/loss'])}  accuracy "
                f"{values['validation/accuracy']:.4f}  macro-F1 {values['validation/macro_f1']:.4f}",
                style="dim",
            )
    console.print(result_table(folder))
    svg = console.export_svg(title="gatelab", unique_id="gatelab")
    return re.sub(r"@font-face\s*{.*?}", "", svg, flags=re.DOTALL)  # rich links a font on a foreign server


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw_run(RunFolder(sys.argv[1])), encoding="utf-8")
