"""Searches for input that a reader answers with anything but its result or a sentence, or only after a long time.

    python tests/hostile/fuzz.py csv|record|config [--minutes 60]

csv: a table and how it is read; record: run.json and metrics.csv of a run folder; config: a recorded config, and the
overrides of a run. Hypothesis keeps
what it finds in .hypothesis and begins with it the next time. Prints the smallest case that fails; exit code 1 for one.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatelab.errors import UserError

SECONDS = 5.0  # of the processor for a case, but for the first, which imports
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["null", "NaN", "1e308", "\x00", "\ud800", "<b>", "${a}", "=1", "9" * 40]
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)
CELLS = st.text("ab\",;\t\r\n'\\ é\x00\ufeff0.1", max_size=8) | TEXTS
BYTES = st.binary(max_size=60) | st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8).map(
    lambda rows: "\n".join(["text,label", *(",".join(row) for row in rows), "good,1", "bad,0"]).encode(
        "utf-8", "surrogatepass"
    )
)
FOLDER = Path(tempfile.mkdtemp())


@given(
    content=BYTES,
    suffix=st.sampled_from([".csv", ".tsv", ".txt", ".json", ".jsonl", ".csv.gz", ".zip", ".xlsx", ".parquet", ".ft"]),
    header=st.sampled_from([None, True, False]),
    encoding=st.sampled_from([None, "utf-8", "cp1252", "utf-16"]),
)
def read_csv(content: bytes, suffix: str, header: bool | None, encoding: str | None) -> None:
    from gatelab.data.read import read_table

    file = FOLDER / f"table{suffix}"
    file.write_bytes(content)
    read_table(file, encoding=encoding, header=header)


@st.composite
def changed(draw: st.DrawFn, whole: Any) -> Any:
    """A copy in which one place is anything."""
    if isinstance(whole, dict) and whole and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(whole)))
        return {**whole, key: draw(changed(whole[key]))}
    if isinstance(whole, list) and whole and draw(st.integers(0, 5)):
        return [draw(changed(whole[0])), *whole[1:]]
    return draw(ANYTHING)


MADE_BEFORE = Path(__file__).parents[1] / "runs" / "made_before"
RECORD = json.loads(next(MADE_BEFORE.glob("*/*/model")).with_name("run.json").read_text(encoding="utf-8"))


@given(record=changed(RECORD).flatmap(changed), history=BYTES)
def read_record(record: Any, history: bytes) -> None:
    from gatelab.reports.pages.facts import cost_facts, data_facts, origin_facts, repeat_commands
    from gatelab.reports.terminal.result import result_table
    from gatelab.runs.folder import RunFolder
    from gatelab.runs.history import best_validation
    from gatelab.runs.load import load_run
    from gatelab.runs.record import Data

    folder = RunFolder(FOLDER)
    folder.record_file.write_text(json.dumps(record), encoding="utf-8")
    folder.metrics.write_bytes(b"epoch,step,name,value\n" + history)
    run = load_run(folder).record
    _ = run.numbers(), run.content, run.lacks, run.last_start, run.started_at(), run.ordered_baselines()
    _ = (
        data_facts(run.data or Data(), {}),
        cost_facts(run),
        origin_facts(run),
        repeat_commands(run),
        result_table(folder),
    )
    with suppress(UserError):
        best_validation(folder.metrics, run.monitor)


CONFIG = yaml.safe_load(next(MADE_BEFORE.glob("*/*/model")).with_name("config.yaml").read_text(encoding="utf-8"))


GROUPS = (
    "data",
    "model",
    "encoder",
    "optimizer",
    "tokenizer",
    "trainer",
    "callbacks",
    "tracker",
    "experiments",
    "hydra/launcher",
)
KEYS = [
    *GROUPS,
    *(f"{group}.{key}" for group, keys in CONFIG.items() if isinstance(keys, dict) for key in keys),
    *CONFIG,
]
WORDS = TEXTS | st.integers().map(str) | st.text("[]{}(),:=.'\"\\$ ab1", max_size=10)
WORDS |= st.sampled_from(["lstm", "sample", "null", "${seed}", "glob(*)", "choice(1,2)", "[mine]", "{a: 1}"])
OVERRIDES = (
    st.builds("{}{}={}".format, st.sampled_from(["", "", "+", "++", "~"]), st.sampled_from(KEYS) | TEXTS, WORDS) | WORDS
)


@given(config=changed(CONFIG).flatmap(changed), overrides=st.lists(OVERRIDES, max_size=4))
def check(config: Any, overrides: list[str]) -> None:
    """A recorded config that is changed, and what a command line makes of the shipped one."""
    from gatelab.commands.train import compose, explained, refuse
    from gatelab.config.schema import check_config
    from gatelab.config.settle import settle
    from gatelab.training.run import resolve

    if isinstance(config, dict):
        with suppress(UserError):
            config = {"allow_targets": []} | config
            settle(config)
            check_config(config)
    refuse(overrides)
    with explained(overrides):
        composed = compose(overrides)
    check_config(resolve(composed))


TARGETS: dict[str, Callable[..., None]] = {"csv": read_csv, "record": read_record, "config": check}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=60.0)
    given_ = parser.parse_args()
    test = TARGETS[given_.target]
    inner, counts = test.hypothesis.inner_test, {"tried": 0, "refused": 0}  # type: ignore[attr-defined]
    end = time.monotonic() + given_.minutes * 60

    def bounded(**arguments: Any) -> None:
        if time.monotonic() > end:
            raise KeyboardInterrupt
        begin = time.process_time()
        counts["tried"] += 1
        try:
            inner(**arguments)
        except UserError:
            counts["refused"] += 1
        assert counts["tried"] == 1 or time.process_time() - begin < SECONDS, "it took too long"

    test.hypothesis.inner_test = bounded  # type: ignore[attr-defined]
    search = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)(test)
    try:
        while True:
            search()
    except KeyboardInterrupt:
        return 0
    finally:
        print(f"{counts['tried']:,} tried, {counts['refused']:,} refused with a sentence", flush=True)


if __name__ == "__main__":
    sys.exit(main())
