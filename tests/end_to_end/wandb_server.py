"""As much of a Weights & Biases server as a client needs to send a run, on loopback; it keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WandbServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.history: dict[str, dict[int, dict[str, Any]]] = {}  # run → line → what was logged
        self.summary: dict[str, dict[str, Any]] = {}
        self.config: dict[str, dict[str, Any]] = {}
        self.files: dict[str, set[str]] = {}
        self.exit_codes: dict[str, int] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What makes a client use this server."""
        return {"WANDB_BASE_URL": f"http://127.0.0.1:{self.server_address[1]}", "WANDB_API_KEY": "k" * 40}

    def rows(self, run: str) -> list[dict[str, Any]]:
        """The history, without what wandb itself adds but for the step."""
        lines = [self.history[run][number] for number in sorted(self.history[run])]
        return [{key: value for key, value in line.items() if key not in ("_timestamp", "_runtime")} for line in lines]

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        if "upsertBucket" in query:
            run = variables["name"]
            self.config.setdefault(run, {}).update(json.loads(variables.get("config") or "{}"))
            project = {"name": variables["project"], "entity": {"name": "ada"}}
            return {"upsertBucket": {"bucket": {"id": "1", "name": run, "project": project}, "inserted": True}}
        if "bucket(" in query and "historyLineCount" in query:  # may a run be resumed?
            known = self.history.get(variables["name"])
            if not known:
                return {"model": {"bucket": None}}
            last = json.dumps([json.dumps(known[max(known)])])
            bucket = {
                "name": variables["name"], "historyLineCount": len(known), "eventsLineCount": 0, "logLineCount": 0,
                "historyTail": last, "eventsTail": "[]", "config": "{}", "summaryMetrics": "{}", "tags": [], "wandbConfig": '{"t": 1}',
            }  # fmt: skip
            return {"model": {"bucket": bucket}}
        if "createRunFiles" in query:
            self.files.setdefault(variables["run"], set()).update(variables["files"])
            files = [{"name": name, "uploadUrl": f"{self.environment['WANDB_BASE_URL']}/file"} for name in variables["files"]]  # fmt: skip
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        if "createArtifact(" in query:
            return {"createArtifact": {"artifact": {"id": "1", "state": "COMMITTED", "artifactSequence": {"id": "1", "name": "a"}}}}  # fmt: skip
        return {}

    def handle_error(self, *_: Any) -> None:
        """Nothing: a client that has what it wants goes without closing."""

    def stream(self, run: str, body: dict[str, Any]) -> None:
        for name, part in body.get("files", {}).items():
            lines = [json.loads(line) for line in part["content"]]
            if name == "wandb-history.jsonl":
                kept = self.history.setdefault(run, {})
                kept.update(enumerate(lines, part["offset"]))
            elif name == "wandb-summary.json":
                self.summary[run] = lines[-1]
        if "exitcode" in body:
            self.exit_codes[run] = body["exitcode"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/file_stream"):
            self.server.stream(self.path.split("/")[-2], json.loads(content))
        elif self.path.endswith("/graphql"):
            body = json.loads(content)
            self.send({"data": self.server.answer(body["query"], body.get("variables") or {})})
            return
        self.send({})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send({})

    def do_GET(self) -> None:
        self.send({})

    def send(self, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing on the screen."""


@contextmanager
def wandb_server() -> Iterator[WandbServer]:
    with WandbServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
