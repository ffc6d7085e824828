"""gatelab ui: serve the pages of an output folder on this machine."""

import secrets
import socket
import tempfile
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from gatelab.commands.predict import predictor_of
from gatelab.errors import RunError
from gatelab.runs.folder import RunFolder
from gatelab.screen import console

if TYPE_CHECKING:
    from gatelab.reports.server.connections import Server

ADDRESS = "127.0.0.1"


def serve(output_dir: Path, port: int, *, open_browser: bool = False, allow_targets: Sequence[str] = ()) -> None:
    """Serve until Ctrl-C. Raises RunError for a missing folder or a port in use."""
    token = secrets.token_urlsafe(24)
    server = make_server(output_dir, port, token, allow_targets)
    url = f"http://{ADDRESS}:{server.port}/?token={token}"
    console.print(f"gatelab ui  {url}   runs in {output_dir}; Ctrl-C ends it", soft_wrap=True)
    with redirection(url) as file:
        if open_browser:
            webbrowser.open(file.as_uri())
        server.serve_forever()


def make_server(output_dir: Path, port: int, token: str, allow_targets: Sequence[str] = ()) -> "Server":
    """A bound server with ``serve_forever``, ``shutdown`` and ``port``; port 0 takes a free one."""
    from gatelab.reports.server.connections import Server
    from gatelab.reports.server.site import Site

    if not output_dir.is_dir():
        raise RunError(f"{output_dir}: no such folder. gatelab train makes it; --output-dir names another one.")
    with bound(port) as listening:
        return Server(
            listening, Site(output_dir, listening.getsockname()[1], token, partial(open_model, allow_targets))
        )


def open_model(allow_targets: Sequence[str], folder: RunFolder) -> Any:
    """What predicts with the model of a run, for the thread that calls this."""
    import torch

    torch.set_num_threads(1)  # a single text gains nothing by more, which runs that train need
    return predictor_of(folder, allow_targets)


def bound(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise RunError(f"--port {port}: cannot be used ({reason}). --port 0 takes one that is free.") from None
    return listening


@contextmanager
def redirection(url: str) -> Iterator[Path]:
    """A file that only this user can read and that sends a browser to url: its command line, which all users see, has no token."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".html") as stream:
        stream.write(f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={escape(url)}">')
        stream.flush()
        yield Path(stream.name)
