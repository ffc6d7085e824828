"""python -m gatelab.training.rank: one more process of a run that trains in several. Its work comes on standard input as JSON."""

import json
import os
import signal
import sys


def main() -> None:
    from gatelab.training.processes import end_with_parent

    end_with_parent(signal.SIGKILL)
    work = json.load(sys.stdin)
    sys.path[:] = work["path"]
    from gatelab.config.build import build
    from gatelab.runs.folder import RunFolder
    from gatelab.screen import console
    from gatelab.training.checkpoint import StopRequest
    from gatelab.training.fit import fit_and_test

    console.quiet = True
    settings = work["settings"]
    data = build("data", settings["data"])
    rank = int(os.environ["LOCAL_RANK"])
    fit_and_test(settings, data, RunFolder(work["folder"]), work["checkpoint"], StopRequest(), rank=rank)


if __name__ == "__main__":
    main()
