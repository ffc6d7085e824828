"""python -m gatelab.training.rank: one more process of a run that trains in several. Its task comes on standard input as JSON."""

import json
import os
import signal
import sys


def main() -> None:
    from gatelab.training.processes import end_with_parent

    end_with_parent(signal.SIGKILL)
    task = json.load(sys.stdin)
    sys.path[:] = task["path"]
    from gatelab.runs.folder import RunFolder
    from gatelab.screen import console
    from gatelab.tasks.classification.build import build
    from gatelab.training.checkpoint import StopRequest
    from gatelab.training.fit import fit_and_test

    console.quiet = True
    settings = task["settings"]
    data = build("data", settings["data"])
    rank = int(os.environ["LOCAL_RANK"])
    fit_and_test(settings, data, RunFolder(task["folder"]), task["checkpoint"], StopRequest(), rank=rank)


if __name__ == "__main__":
    main()
