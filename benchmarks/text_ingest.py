"""Times the way from a plain text to the first batch of windows, in characters: a first start, and a second one on the filled cache; each in
a process of its own. Processor time stands beside the clock's, for a machine that others use too.

    python benchmarks/text_ingest.py --megabytes 10 100            # or: python benchmarks/language_model.py --data 10 100
    python benchmarks/text_ingest.py --file corpus.txt

The text has lines of words, drawn from a seed with Zipf's frequencies. Goals at 100 MB: 6 s without imports, and the memory of 10 MB.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

NUM_WORDS, WORDS_PER_LINE, LINES_AT_ONCE = 50_000, 12, 4096
LETTERS = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
GOAL_MEGABYTES, MAX_SECONDS, MAX_GROWTH = 100, 6.0, 1.1


def write_text(file: Path, megabytes: float, seed: int = 141) -> None:
    random = np.random.default_rng(seed)
    words = np.array(["".join(random.choice(LETTERS, length)) for length in random.integers(2, 11, NUM_WORDS)])
    cumulative = np.cumsum(1 / np.arange(1, NUM_WORDS + 1))
    with open(file, "w", encoding="ascii") as stream:
        while stream.tell() < megabytes * 1e6:
            drawn = words[np.searchsorted(cumulative, cumulative[-1] * random.random((LINES_AT_ONCE, WORDS_PER_LINE)))]
            stream.writelines(f"{' '.join(line).capitalize()}.\n" for line in drawn)


def measure(file: str, cache_dir: str) -> dict[str, float]:
    """In a fresh process: import, read, first batch."""
    begun = time.process_time()
    from gatelab.runs.resources import peak_memory
    from gatelab.tasks.language_model.text_data import PlainText

    imported, memory = (time.perf_counter(), time.process_time()), peak_memory()
    tokenizer: Any = {"kind": "char", "vocab_size": None, "min_count": 1}
    data = PlainText(
        path=file, split={"validation": 0.05, "test": 0.05}, tokenizer=tokenizer, batch_size=32, window=64, num_sentences=1,
        text_seed=1, seed=1, cache_dir=cache_dir,
    )  # fmt: skip
    window = next(iter(data.train_dataloader()))
    seconds, processor = time.perf_counter() - imported[0], time.process_time() - imported[1]
    assert window.tokens.shape == (32, 64)
    return {
        "imports": imported[1] - begun, "seconds": seconds, "processor": processor, "peak": peak_memory() / 2**20, "before": memory / 2**20
    }  # fmt: skip


def in_fresh_process(*arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def compare(sizes: list[float], own: Path | None = None) -> None:
    print(
        f"{'':>10} {'first start':>12} {'processor':>10} {'peak':>9} {'after imports':>14} {'second start':>13} {'processor':>10} {'peak':>9}"
        f" {'imports':>8}"
    )
    first: dict[float, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in [*sizes, *([own.stat().st_size / 1e6] if own else [])]:
            file = own if own and size not in sizes else Path(folder, f"{size:g}.txt")
            if file is not own:
                write_text(file, size)
            first[size], second = (in_fresh_process(str(file), str(Path(folder, f"cache-{size:g}"))) for _ in range(2))
            print(
                f"{size:>7,.0f} MB {first[size]['seconds']:>10.2f} s {first[size]['processor']:>8.2f} s {first[size]['peak']:>5.0f} MiB "
                f"{first[size]['before']:>10.0f} MiB {second['seconds']:>11.2f} s {second['processor']:>8.2f} s {second['peak']:>5.0f} MiB "
                f"{second['imports']:>6.2f} s",
                flush=True,
            )
    if GOAL_MEGABYTES in first and len(first) > 1:
        smallest, large = first[min(first)], first[GOAL_MEGABYTES]
        goals = {
            f"{MAX_SECONDS:g} s": large["seconds"] <= MAX_SECONDS, "of the processor": large["processor"] <= MAX_SECONDS,
            "constant memory": large["peak"] <= MAX_GROWTH * smallest["peak"],
        }  # fmt: skip
        print(" · ".join(f"{name}: {'reached' if reached else 'missed'}" for name, reached in goals.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="*", default=[10, 100])
    parser.add_argument("--file", type=Path, help="measure this text too")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
    else:
        compare(options.megabytes, options.file)


if __name__ == "__main__":
    main()
