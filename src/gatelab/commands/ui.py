"""gatelab ui: serve the pages of an output folder on this machine."""

import socket
import webbrowser
from pathlib import Path
from typing import Any

from gatelab.errors import RunError
from gatelab.screen import console

ADDRESS = "127.0.0.1"


def serve(output_dir: Path, port: int, *, open_browser: bool = False) -> None:
    """Serve until Ctrl-C. Raises RunError for a missing folder or a port in use."""
    server = make_server(output_dir, port)
    url = f"http://{ADDRESS}:{server.port}/"
    console.print(f"gatelab ui  {url}   runs in {output_dir}; Ctrl-C ends it", soft_wrap=True)
    if open_browser:
        webbrowser.open(url)
    server.serve_forever()


def make_server(output_dir: Path, port: int) -> Any:
    """A bound server with ``serve_forever``, ``shutdown`` and ``port``; port 0 takes a free one."""
    from werkzeug import serving

    from gatelab.reports.server.site import Site

    class Handler(serving.WSGIRequestHandler):
        """Logs nothing; errors are in the response."""

        server_version, sys_version = "gatelab", ""

        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    if not output_dir.is_dir():
        raise RunError(f"{output_dir}: no such folder. gatelab train makes it; --output-dir names another one.")
    with bound(port) as listening:  # the server keeps a copy
        port = listening.getsockname()[1]
        site = Site(output_dir, port)
        return serving.make_server(ADDRESS, port, site, threaded=True, request_handler=Handler, fd=listening.fileno())


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
