"""Times the way from a CSV to the first batch: a first start, a second one on the filled cache, and one with another seed's
split of the same file; each in a process of its own.

    python benchmarks/ingest.py                       # 10^4, 10^5 and 10^6 rows of 20 words
    python benchmarks/ingest.py --rows 100000
    python benchmarks/ingest.py --file tweets.csv     # a table of your own with the columns text and label; also beside --rows
    python benchmarks/ingest.py --datasets peer/bin/python    # with the environment of requirements-datasets.txt

The texts are drawn from 50,000 words with Zipf's frequencies. The settings are those of conf/data. Goals at 10^6 rows: the
first start within 45 s and 1 GiB, the second within 1.5 s, another split within 3 s, all from before the import of gatelab; at
any size a third of the time of datasets.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NUM_WORDS, WORDS_PER_ROW, CHUNK = 50_000, 20, 20_000
LETTERS = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
STEPS = {"hash": "content_of", "read": "read_rows", "split": "cut_parts", "fit": "fit", "encode": "encode"}
MAX_SECONDS, MAX_GIB, MAX_SECOND_START, MAX_ANOTHER_SPLIT = 45.0, 1.0, 1.5, 3.0


def write_csv(file: Path, num_rows: int, seed: int) -> None:
    """A table text,label; a chunk at a time, so that this process stays small."""
    random = np.random.default_rng(seed)
    lengths = random.integers(2, 11, NUM_WORDS)
    words = np.array(["".join(random.choice(LETTERS, length)) for length in lengths], dtype=object)
    cumulative = np.cumsum(1 / np.arange(1, NUM_WORDS + 1))
    cumulative /= cumulative[-1]
    with open(file, "w", encoding="utf-8") as stream:
        stream.write("text,label\n")
        for begin in range(0, num_rows, CHUNK):
            size = min(CHUNK, num_rows - begin)
            drawn = words[np.searchsorted(cumulative, random.random((size, WORDS_PER_ROW)))]
            labels = np.array(["negative", "positive"])[random.integers(0, 2, size)]
            stream.writelines(f"{' '.join(row)},{label}\n" for row, label in zip(drawn, labels, strict=True))


def measure(file: Path, cache_dir: Path, seed: int) -> dict[str, Any]:
    """In a fresh process: import, prepare, first batch."""
    start = time.perf_counter()
    from gatelab.data import prepare as module
    from gatelab.data.batch import BatchLoader

    imported = time.perf_counter()
    seconds = {step: time_calls(module, name) for step, name in STEPS.items()}
    settings = module.Settings(
        split={"by": "group", "validation": 0.1, "test": 0.2, "seed": seed},
        tokenizer={"vocab_size": 20_000, "min_count": 2},
        max_length=256,
    )
    data = module.prepare(module.Source([file]), settings, cache_dir)
    batch = next(iter(BatchLoader(data, data.parts["train"], batch_size=32, seed=141, shuffle=True)))
    end = time.perf_counter()
    assert batch.tokens.shape[0] == 32
    return {
        "rows": len(data.labels),
        "seconds": end - start,
        "without_import": end - imported,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "steps": {step: total() for step, total in seconds.items()},
    }


def time_calls(module: Any, name: str) -> Callable[[], float]:
    """Wrap a function of the module; the result says how many seconds its calls took together."""
    function, seconds = getattr(module, name), [0.0]

    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds[0] += time.perf_counter() - start

    setattr(module, name, timed)
    return lambda: seconds[0]


def in_fresh_process(file: Path, cache_dir: Path, seed: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", str(file), str(cache_dir), str(seed)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def peer_in_fresh_process(python: str, file: Path, folder: Path, seed: int) -> dict[str, Any]:
    from gatelab.data.tokenize import new_tokenizer

    rules = folder / "rules.json"
    new_tokenizer().save(str(rules))
    command = [python, str(Path(__file__).with_name("datasets_ingest.py")), file, rules, folder / "peer", str(seed)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", help="unless given 10^4, 10^5 and 10^6")
    parser.add_argument("--seed", type=int, default=141)
    parser.add_argument("--file", type=Path, help="measure this table")
    parser.add_argument("--datasets", metavar="PYTHON", help="the interpreter of an environment with datasets")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        file, cache_dir, seed = arguments.measure
        print(json.dumps(measure(Path(file), Path(cache_dir), int(seed))))
        return
    print(
        f"{'rows':>9} {'first start':>12} {'peak GiB':>9} {'second start':>13} {'less import':>12} {'another split':>14}   "
        + " ".join(f"{step:>7}" for step in STEPS)
    )
    goals = []
    with tempfile.TemporaryDirectory() as folder:
        sizes = arguments.rows or ([] if arguments.file else [10**4, 10**5, 10**6])
        for num_rows in [*sizes, *([None] if arguments.file else [])]:
            file, cache_dir = Path(folder, f"{num_rows}.csv"), Path(folder, f"cache-{num_rows}")
            if num_rows is None:
                file = arguments.file
            else:
                write_csv(file, num_rows, arguments.seed)
            first, second, another = (in_fresh_process(file, cache_dir, seed) for seed in (141, 141, 142))
            print(
                f"{first['rows']:>9,} {first['seconds']:>10.2f} s {first['peak_gib']:>9.2f} {second['seconds']:>11.2f} s "
                f"{second['without_import']:>10.2f} s {another['seconds']:>12.2f} s   "
                + " ".join(f"{first['steps'][step]:>5.1f} s" for step in STEPS),
                flush=True,
            )
            if arguments.datasets:
                peer = peer_in_fresh_process(arguments.datasets, file, cache_dir, 141)
                print(
                    f"{'datasets':>9} {peer['seconds']:>10.2f} s {peer['peak_gib']:>9.2f}   gatelab takes "
                    f"{first['seconds'] / peer['seconds']:.2f} of its time, "
                    f"{first['without_import'] / peer['without_import']:.2f} without imports",
                    flush=True,
                )
            if num_rows == 10**6:
                goals = [
                    ("first start", first["seconds"], MAX_SECONDS, "s"),
                    ("peak memory", first["peak_gib"], MAX_GIB, "GiB"),
                    ("second start", second["seconds"], MAX_SECOND_START, "s"),
                    ("another split", another["seconds"], MAX_ANOTHER_SPLIT, "s"),
                ]
    for name, value, goal, unit in goals:
        print(f"{name:<13} {value:6.2f} {unit} of {goal:g} {unit}: {value / goal:.2f} of the goal")


if __name__ == "__main__":
    main()
