"""gatelab ui as a WSGI application.

It can be reached by all users of this machine, and by foreign pages in the user's browser. So it requires its token and its own
Host (against DNS rebinding), only reads, serves only known kinds of files inside the output folder, lets no foreign script run, and
asks the model of a run only for its own pages.
"""

import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from markupsafe import escape
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from gatelab.bounded import MIB, open_below, pieces, read_all
from gatelab.errors import RunError, UnknownName, UserError
from gatelab.reports.analysis.jobs import num_waiting
from gatelab.reports.pages.html import content_security_policy, render, style_and_script
from gatelab.reports.pages.own_text import ASSETS as OWN_TEXT
from gatelab.reports.pages.own_text import own_text_answer, own_text_section
from gatelab.reports.server.cache import PageCache, RunCache, named, stamp_of, state_of
from gatelab.reports.server.live_page import live_page, with_section
from gatelab.reports.server.models import MAX_CHARACTERS, Models, OpenModel, has_model, model_files
from gatelab.runs.activity import read_activity
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import Run
from gatelab.screen import sentence_of

FILES = {  # the served files of a run, and their types
    "run.json": "application/json",
    "config.yaml": "text/plain",
    "notes.json": "application/json",
    "metrics.csv": "text/plain",
    "predictions.csv": "text/plain",
    "examples.json": "application/json",
    "error.log": "text/plain",
    "uncommitted.diff": "text/plain",
}
MODEL_QUESTIONS = ("load", "read", "continued")  # of the page of a run, in its folder
PICTURES = {".svg": "image/svg+xml", ".pdf": "application/pdf", ".png": "image/png"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
NO_SCRIPT = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
BEGINNING = 3000  # bytes of a page that contain its policy
MAX_PAGE_BYTES = 256 * MIB  # of one in a run folder; a longer one is made anew
REFRESHED = ("refresh",)  # assets of a page that follows its runs
TOKEN = "token"  # in the printed address; afterwards a cookie has it


class Site:
    """A WSGI application over output_dir, for requests to localhost:port that have the token in their address or cookie. open_model:
    for the texts that are typed; without it no page has a box for them."""

    def __init__(self, output_dir: Path, port: int, token: str, open_model: OpenModel | None = None) -> None:
        self.root = output_dir.resolve()
        self.output_dir = output_dir
        self.token = token
        self.cookie = f"gatelab-{port}"  # browsers send the cookies of one host to all of its ports
        self.hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        self.hosts |= {"localhost", "127.0.0.1", "[::1]"} if port == 80 else set()
        self.runs, self.pages = RunCache(), PageCache()
        self.models = None if open_model is None else Models(open_model)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        refused = self.refusal(request)
        try:
            response = refused or self.respond(request)
        except FileNotFoundError:  # deleted in the meantime
            response = message("There is nothing of this name here any more.", 404)
        except (RunError, OSError) as error:
            response = message(str(error), 400)
        except HTTPException as error:
            response = error.get_response(environ)
        except Exception as error:
            response = message(f"This page could not be made ({type(error).__name__}: {error}).", 500)
        for name, value in HEADERS.items():
            response.headers[name] = value
        if refused is None:
            response.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict")
        response.headers.setdefault("Content-Security-Policy", NO_SCRIPT)
        return response(environ, start_response)

    def refusal(self, request: Request) -> Response | None:
        """The refusal of a request that no page of this site makes."""
        host = request.environ.get("HTTP_HOST", "").lower()
        origin = request.headers.get("Origin", f"http://{host}").lower()
        if host not in self.hosts or origin != f"http://{host}":
            return refuse(f"This server answers to {min(self.hosts)} only.")
        if not request.environ.get("REQUEST_URI", "/").startswith("/"):  # it would stand for the Host
            return refuse("Ask by path, without scheme and host.", 400)
        if request.method not in ("GET", "HEAD"):
            return refuse("This server only reads.", 405, Allow="GET, HEAD")
        fetch = {name: request.headers.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode", "Dest")}
        if fetch["Site"] in ("cross-site", "same-site") and (fetch["Mode"], fetch["Dest"]) != ("navigate", "document"):
            return refuse("No other site may ask this server.")
        if not any(map(self.is_token, (request.args.get(TOKEN, ""), request.cookies.get(self.cookie, "")))):
            return refuse("Open the address that gatelab ui has printed: its token shows that you may read this.")
        return None

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def respond(self, request: Request) -> Response:
        if request.path == "/":
            return self.index(request)
        if request.path == "/compare":
            return self.compare(request)
        if request.path == "/difference":
            return self.difference(request)
        parts = path_of(request).removeprefix("/").split("/")
        if self.models and len(parts) == 3 and parts[-1] in MODEL_QUESTIONS:
            return self.ask_model(request, self.models, *parts)
        path = self.inside(parts)
        if path is None:
            return message("There is nothing of this name here.", 404)
        if parts[-1] == "report.html":
            return (self.run_report if len(parts) == 3 else self.sweep_report)(request, path.parent)
        kind = PICTURES.get(path.suffix) if "figures" in parts[1:-1] else FILES.get(path.name)
        if kind is None:
            return message("There is nothing of this name here.", 404)
        try:
            stream = open_below(self.root, path)
        except OSError:  # none, no regular one, or one that has come to lie elsewhere
            return message("There is nothing of this name here.", 404)
        response = sent(stream, request, kind)
        if kind == "application/pdf":
            # Its viewer is a page of the browser's own.
            response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        return response

    def inside(self, parts: Sequence[str]) -> Path | None:
        """The file of a path, if it is of a served kind and, links followed, below the root."""
        file, place = parts[-1], list(parts[:-1])
        is_known = (
            (file == "report.html" and len(place) in (1, 2))
            or (file in FILES and len(place) == 2)
            or (place[1:] == ["figures"] or place[2:] in (["figures"], ["figures", "gates"]))
        )
        if not is_known or any(part in ("", ".", "..") or "\0" in part for part in parts):
            return None
        try:
            path = self.root.joinpath(*parts).resolve()
            return path if path.is_relative_to(self.root) and path.parent.is_dir() else None
        except (OSError, RuntimeError):  # too long a name, or circular links
            return None

    def folders(self, name: str | None = None) -> list[RunFolder]:
        """The runs, without those whose folder or files are links to places outside the root."""
        found = []
        for folder in all_runs(self.root, name):
            links = [file for file in map(folder.path.joinpath, (*FILES, "report.html")) if file.is_symlink()]
            # Links in a circle have a real path, too.
            if all(Path(os.path.realpath(path)).is_relative_to(self.root) for path in (folder.path, *links)):
                found.append(folder)
        return found

    def index(self, request: Request) -> Response:
        from gatelab.reports.pages.index import ASSETS, index_page

        runs, problems = self.runs.read(self.folders())
        key = (state_of(runs), *problems)
        make = partial(index_page, named(runs), problems, str(self.output_dir), self.runs.look)
        return live_page(request, self.pages.get("/", key, make), ASSETS, REFRESHED, forms=True)

    def run_report(self, request: Request, path: Path) -> Response:
        from gatelab.reports.pages.run_page import ASSETS, only_run_errors, run_page

        runs, problems = self.runs.read([folder for folder in self.folders(path.parent.name) if folder.path == path])
        if problems:
            raise RunError(problems[0])
        if not runs:
            return message("There is no such run.", 404)
        folder = runs[0].folder
        content = stored_page(self.root, folder.report, runs, ASSETS)
        if not content:
            with only_run_errors(path):
                content = self.pages.get(path, state_of(runs), lambda: run_page(folder, self.runs.look)).encode(
                    "utf-8", "replace"
                )
        if self.models and runs[0].status == "finished" and self.may_ask(folder):
            box = own_text_section(MAX_CHARACTERS, goes_on=folder.language.is_file())
            content = with_section(content, box, "own", "Your text")
        return live_page(request, content, ASSETS, (*OWN_TEXT, *REFRESHED))

    def may_ask(self, folder: RunFolder) -> bool:
        """Whether the run has a model that reads texts, and none of its files is a link to a place outside the root."""
        files = [Path(os.path.realpath(file)) for file in model_files(folder)]
        return has_model(folder) and all(file.is_relative_to(self.root) for file in files)

    def ask_model(self, request: Request, models: Models, name: str, identity: str, question: str) -> Response:
        """What the model of a finished run makes of the text in the address."""
        folder = next((each for each in self.folders(name) if each.path.name == identity), None)
        if folder is None or folder.path.parent.name != name or folder.status != "finished" or not self.may_ask(folder):
            return sentence("There is no finished run of this name with a model that reads texts.", 404)
        text = request.args.get("text", "")
        try:
            if question == "load":
                models.load(folder)
                return Response(status=204)
            if question == "read":
                gates = models.read(folder, text, attributions=bool(request.args.get("attributions")))
                answer = own_text_answer(gates, read_activity(folder), goes_on=folder.language.is_file())
                return Response(answer.encode("utf-8", "replace"), mimetype="text/html")
            temperature = min(10.0, max(0.0, request.args.get("temperature", 0.8, type=float)))
            pieces = models.continued(folder, text, temperature=temperature, seed=secrets.randbelow(2**32))
            return Response((piece.encode("utf-8", "replace") for piece in pieces), mimetype="text/plain")
        except (UserError, OSError, MemoryError) as error:
            return sentence(sentence_of(error), 400)
        except Exception as error:
            return sentence(f"The model cannot read this ({type(error).__name__}: {error}).", 500)

    def sweep_report(self, request: Request, path: Path) -> Response:
        from gatelab.reports.pages.links import links_from
        from gatelab.reports.pages.run_page import only_run_errors
        from gatelab.reports.pages.sweep_page import ASSETS, compare_sweep, runs_digest, sweep_page

        folders = self.folders(path.name)
        if not folders:
            return message("There are no runs of this name.", 404)
        runs, problems = self.runs.read(folders)
        stored = stored_page(self.root, path / "report.html", runs, ASSETS)
        is_open = bool(request.if_none_match)  # a page that is kept up to date, which the stored one is not
        if stored and not is_open and not problems and runs_digest(folders).encode() in stored[:BEGINNING]:
            return page(stored, ASSETS)

        def make() -> str:
            known, link = named(runs), links_from(path, made_on_request=True)
            return sweep_page(known, compare_sweep(known), path.name, link, problems=problems, look=self.runs.look)

        with only_run_errors(path):
            content = self.pages.get(path, (state_of(runs), num_waiting(runs), *problems), make)
        return live_page(request, content, ASSETS, REFRESHED)

    def compare(self, request: Request) -> Response:
        from gatelab.reports.pages.index import compare_again_page, comparison_page
        from gatelab.reports.pages.run_page import only_run_errors
        from gatelab.reports.pages.sweep_page import ASSETS

        picks = [(key, value) for key in ("name", "run") for value in request.args.getlist(key)]
        if not picks:
            return message("Nothing is selected. Go back, and select runs or names to compare.", 400)
        folders, missing = self.picked(request.args.getlist("name"), request.args.getlist("run"))
        if missing:
            return message(f"{missing[0]}: there is no such run or name any more.", 404)
        runs, problems = self.runs.read(folders)
        asked = {key: request.args.get(key, "").strip() for key in ("by", "metric", "reference")}
        key = (state_of(runs), *problems)
        with only_run_errors(self.root):
            make = partial(comparison_page, named(runs), self.root, picks, asked, problems)
            try:
                content = self.pages.get(request.full_path, key, make)
            except UnknownName as error:
                return page(compare_again_page(error, picks, asked), (), forms=True, status=400)
        return live_page(request, content, ASSETS, REFRESHED, forms=True)

    def difference(self, request: Request) -> Response:
        from gatelab.reports.pages.links import links_from
        from gatelab.reports.pages.run_page import only_run_errors
        from gatelab.reports.pages.two_runs import ASSETS, two_runs_page

        folders, missing = self.picked(request.args.getlist("name"), request.args.getlist("run"))
        if missing:
            return message(f"{missing[0]}: there is no such run or name any more.", 404)
        if len(folders) != 2:
            return message(f"What differs is shown of two runs, not of {len(folders):,}. Go back, and select two.", 400)
        runs, problems = self.runs.read(folders)
        if problems:
            raise RunError(problems[0])
        with only_run_errors(self.root):
            make = partial(two_runs_page, named(runs), links_from(self.root, made_on_request=True), look=self.runs.look)
            content = self.pages.get(request.full_path, state_of(runs), make)
        return live_page(request, content, ASSETS, REFRESHED)

    def picked(self, names: Sequence[str], runs: Sequence[str]) -> tuple[list[RunFolder], list[str]]:
        """The distinct runs of the names and of name/identity, and those that are missing."""
        known = {f"{folder.path.parent.name}/{folder.path.name}": folder for folder in self.folders()}
        found = {run: folder for run, folder in known.items() if folder.path.parent.name in names or run in runs}
        missing = [run for run in runs if run not in known]
        missing += [name for name in names if all(folder.path.parent.name != name for folder in found.values())]
        return list(found.values()), missing


def page(content: str | bytes, assets: Sequence[str], *, forms: bool = False, status: int = 200) -> Response:
    """A page whose policy allows only its own style and script."""
    policy = content_security_policy(*style_and_script(assets), forms)
    encoded = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    headers = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"}
    return Response(encoded, status, headers, mimetype="text/html")


def sentence(words: str, status: int) -> Response:
    return Response(f"{words}\n", status, mimetype="text/plain")


def refuse(sentence: str, status: int = 403, **headers: str) -> Response:
    return Response(f"{sentence}\n", status, headers, mimetype="text/plain")


def message(sentence: str, status: int) -> Response:
    return page(render("message.html.j2", title="gatelab", sentence=sentence), (), status=status)


def sent(stream: IO[bytes], request: Request, kind: str) -> Response:
    """What is open, as long as it is now: one that still grows is not sent for ever."""
    status = os.fstat(stream.fileno())
    response = Response(pieces(stream, status.st_size), mimetype=kind, direct_passthrough=True)
    response.call_on_close(stream.close)
    response.content_length = status.st_size
    response.set_etag(f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}")
    return response.make_conditional(request.environ, accept_ranges=True, complete_length=status.st_size)


def stored_page(root: Path, file: Path, runs: Sequence[Run], assets: Sequence[str]) -> bytes | None:
    """The page in the run folder, unless it is older than its data, of a running run, or of another version of gatelab."""
    results = [
        path
        for run in runs
        for path in (run.folder.metrics, run.folder.predictions, run.folder.examples, run.folder.notes)
    ]
    changed = max((time for _, time, _ in stamp_of(results)), default=0)
    is_running = any(run.record.status == "running" for run in runs)
    if is_running:
        return None
    try:
        with open_below(root, file) as stream:
            content = b"" if os.fstat(stream.fileno()).st_mtime_ns < changed else read_all(stream, file, MAX_PAGE_BYTES)
    except OSError:
        return None
    policy = str(escape(content_security_policy(*style_and_script(assets))))
    return content if policy.encode() in content[:BEGINNING] else None


def path_of(request: Request) -> str:
    """The path as in the file system, with bytes that are not UTF-8."""
    return os.fsdecode(request.environ.get("PATH_INFO", "").encode("latin-1"))
