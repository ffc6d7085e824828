"""Times what a report adds to the end of a run, in a fresh process and with its imports, and says how large the page is.

    python benchmarks/report.py outputs/default/3f9c… [more run folders]

In training most of the imports are there already. Goals: 3 s on the GOP tweets, pages under 3 MB with 25,000 test rows.
"""

import subprocess
import sys
from pathlib import Path

ROUNDS = 3
MEASURED = """
import sys, time
begin = time.perf_counter()
from gatelab.reports.pages.run_page import write_report
from gatelab.runs.folder import RunFolder
write_report(RunFolder(sys.argv[1]), gates=sys.argv[2] == "gates")
print(time.perf_counter() - begin)
"""


def measure(run: Path, what: str) -> float:
    """Seconds, the median of three."""
    command = [sys.executable, "-c", MEASURED, str(run), what]
    times = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(ROUNDS)]
    return sorted(times)[ROUNDS // 2]


def main() -> None:
    for run in map(Path, sys.argv[1:]):
        end, whole = measure(run, "page"), measure(run, "gates")
        rows = (run / "predictions.csv").read_text(encoding="utf-8").count("\n") - 1
        megabytes = (run / "report.html").stat().st_size / 1e6
        print(
            f"{run}: {rows:,} test rows, {end:.2f} s at the end of the run, {whole:.2f} s with the pictures of the gates, "
            f"page {megabytes:.2f} MB"
        )


if __name__ == "__main__":
    main()
