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
    from gatelab.config.schema import check_config
    from gatelab.runs.folder import RunFolder
    from gatelab.screen import console
    from gatelab.tasks.base import build_data, task_of
    from gatelab.training.checkpoint import StopRequest
    from gatelab.training.fit import fit_and_test

    console.quiet = True
    config = check_config(work["settings"])
    data = build_data(config, task_of(config.model))
    rank = int(os.environ["LOCAL_RANK"])
    fit_and_test(config, data, RunFolder(work["folder"]), work["checkpoint"], StopRequest(), rank=rank)


if __name__ == "__main__":
    main()
