"""Where pages find each other: relative, so that they hold from a file, from a server and on another machine."""

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from gatelab.runs.load import Run


class Link(Protocol):
    def __call__(self, run: Run, file: str = "report.html") -> str | None:
        """The address of a file in the run's folder; None where there is none."""


def links_from(base: Path, *, made_on_request: bool = False) -> Link:
    """From a page in the folder base to a file of a run's; None where there is none. made_on_request: by a server that
    makes a report that is missing."""

    def link(run: Run, file: str = "report.html") -> str | None:
        path = run.folder.path / file
        if not path.is_file() and not (made_on_request and file == "report.html"):
            return None
        return url_of(*Path(os.path.relpath(path, base)).parts)

    return link


def url_of(*parts: str) -> str:
    """A relative address; whatever stands in a name, it stays one part of a path."""
    return "/".join(quote(part, safe="", errors="surrogateescape") for part in parts)
