"""Relative links between pages, valid from a file, a server and on another machine."""

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from gatelab.runs.load import Run


class Link(Protocol):
    def __call__(self, run: Run, file: str = "report.html") -> str | None:
        """The address of a file in the run's folder; None where there is none."""


def links_from(base: Path, *, made_on_request: bool = False) -> Link:
    """Links from a page in the folder base to the files of runs; None for a missing file. made_on_request: for a server that
    makes missing reports."""

    def link(run: Run, file: str = "report.html") -> str | None:
        path = run.folder.path / file
        if not path.is_file() and not (made_on_request and file == "report.html"):
            return None
        return url_of(*Path(os.path.relpath(path, base)).parts)

    return link


def url_of(*parts: str) -> str:
    """A relative URL with each part quoted."""
    return "/".join(quote(part, safe="", errors="surrogateescape") for part in parts)
