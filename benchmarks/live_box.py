"""Times the box for a text of one's own in gatelab ui: from a change of a text of 30 tokens to the end of the answer, over HTTP on loopback.

    python benchmarks/live_box.py outputs/default/3f9c… [more run folders]

Goal: 100 ms once the model is loaded. The browser adds the time to draw it.
"""

import http.client
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from gatelab.commands.ui import make_server

TOKEN = "the-token-of-the-benchmark"
WORDS = [
    "the",
    "film",
    "that",
    "we",
    "had",
    "expected",
    "to",
    "be",
    "rather",
    "long",
    "and",
    "dull",
    "was",
    "in",
    "the",
    "end",
    "a",
    "fine",
    "one",
    "and",
    "nobody",
    "of",
    "us",
    "left",
    "before",
    "the",
    "lights",
    "went",
    "on",
    "again",
]
ROUNDS = 60


def ask(port: int, path: str) -> float:
    """Seconds until the whole answer is there."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path, headers={"Cookie": f"gatelab-{port}={TOKEN}"})
    response = connection.getresponse()
    answer = response.read()
    assert response.status in (200, 204), answer
    return time.perf_counter() - begin


def main() -> None:
    for run in map(Path, sys.argv[1:]):
        server = make_server(run.parents[1], 0, TOKEN)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"/{run.parent.name}/{run.name}"
        loaded = ask(server.port, f"{place}/load")
        is_character = (run / "language.json").exists()
        texts = [" ".join([*WORDS[:28], f"word{number}"]) for number in range(ROUNDS)]
        texts = [text[number : number + 30] for number, text in enumerate(texts)] if is_character else texts
        ask(server.port, f"{place}/read?{urlencode({'text': 'the first'})}")
        for more in ({}, {"attributions": 1}):
            taken = [1000 * ask(server.port, f"{place}/read?{urlencode({'text': text, **more})}") for text in texts]
            median, late = np.percentile(taken, [50, 95])
            what = "with integrated gradients" if more else "a change"
            print(f"{run}: loaded in {loaded:.1f} s, {what}: median {median:.0f} ms, 95th percentile {late:.0f} ms")
        server.shutdown()


if __name__ == "__main__":
    main()
