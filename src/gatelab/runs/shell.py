"""Commands as they are shown: pasted into a shell they work, wherever the run folders are."""

import shlex
from pathlib import Path

from gatelab.runs.folder import RunFolder, runs_like

OUTPUTS = "outputs"  # the root of the run folders where none is given
MIN_DIGITS = 4


def command(*words: str, output_dir: str | Path = OUTPUTS) -> str:
    """gatelab and the words, quoted, with --output-dir where it is needed."""
    root = [] if Path(output_dir) == Path(OUTPUTS) else ["--output-dir", str(output_dir)]
    return shlex.join(["gatelab", *words, *root])


def command_on(folder: RunFolder, name: str, *words: str) -> str:
    """gatelab NAME RUN …, on the run of this folder."""
    return command(name, shortest_name(folder), *words, output_dir=folder.path.parent.parent)


def shortest_name(folder: RunFolder) -> str:
    """The first digits of its identity, as many as no other run begins with; NAME/IDENTITY where another has the same."""
    root, identity = folder.path.parent.parent, folder.path.name
    like = [other.path.name for other in runs_like(identity[:MIN_DIGITS], root)]
    for length in range(MIN_DIGITS, len(identity) + 1):
        if sum(other.startswith(identity[:length]) for other in like) == 1:
            return identity[:length]
    return f"{folder.path.parent.name}/{identity}"
