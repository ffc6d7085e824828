"""Times the page of a sweep and gatelab ui: writing, opening in Chromium, hovering, sorting, answering.

    python benchmarks/sweep.py [--arms 20] [--seeds 10] [--rows 2000] [--runs 1000] [--keep FOLDER]

Trains one small run on the sample, copies it with other settings, seeds and numbers, and makes the page of the copies.
Goals, for 20 arms × 10 seeds × 2,000 test rows: written in a few seconds, under 3 MB, open in under 3 s, a hover and a sort
under 100 ms; of 1,000 runs gatelab ui answers in under 1 s once it has read them. Without Playwright and Chromium the
page is written only.
"""

import argparse
import copy
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import yaml

GATELAB = [sys.executable, "-m", "gatelab.cli"]
ENCODERS = ("lstm", "gru", "rnn", "gated", "peephole")
RATES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
EPOCHS = 20
WRITE = """
import sys, time
begin = time.perf_counter()
from gatelab.reports.pages.sweep_page import write_sweep
from gatelab.runs.folder import all_runs
write_sweep(all_runs(sys.argv[1], "sweep"))
print(time.perf_counter() - begin)
"""
LOADED = """[performance.getEntriesByName('first-contentful-paint')[0].startTime,
             performance.timing.loadEventEnd - performance.timing.navigationStart]"""
SEARCH = """(() => { const box = document.querySelector('[aria-label="Search All runs"]');
             box.value = 'seed'; box.dispatchEvent(new Event('input')); })()"""
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("arms", 20), ("seeds", 10), ("rows", 2000), ("runs", 1000)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--keep", type=Path)
    given = options.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="gatelab-"))
    try:
        source = train_one(folder, given.rows)
        copy_runs(source, folder / "outputs" / "sweep", given.arms, given.seeds)
        written = subprocess.run(
            [sys.executable, "-c", WRITE, str(folder / "outputs")], check=True, capture_output=True, text=True
        )
        page = folder / "outputs" / "sweep" / "report.html"
        size = page.stat().st_size / 1e6
        print(
            f"{given.arms} arms × {given.seeds} seeds, {given.rows:,} test rows: page and pictures written in "
            f"{float(written.stdout):.2f} s with imports, {size:.2f} MB"
        )
        in_browser(page)
        copy_runs(source, folder / "many" / "first", 20, given.runs // 40)
        copy_runs(source, folder / "many" / "second", 20, given.runs - given.runs // 40 * 20, alike=True)
        serve(folder / "many")
    finally:
        if given.keep is None:
            shutil.rmtree(folder)


def train_one(folder: Path, num_rows: int) -> Path:
    """The folder of a run with so many test rows."""
    if not (folder / "one").exists():
        # A fifth of the rows are the test's.
        arguments = ["trainer.max_epochs=1", "tracker=none", f"data.num_rows={5 * num_rows}", "encoder.hidden_size=8"]
        command = [*GATELAB, "train", *arguments, f"output_dir={folder}", "name=one", f"data.cache_dir={folder}/cache"]
        subprocess.run(command, check=True, capture_output=True)
    (record,) = (folder / "one").glob("*/run.json")
    return record.parent


def copy_runs(source: Path, target: Path, num_arms: int, num_seeds: int, alike: bool = False) -> None:
    """Runs of num_arms × num_seeds, or with alike num_seeds runs in all, as the source but for settings, seed and numbers."""
    record = json.loads((source / "run.json").read_text(encoding="utf-8"))
    config = yaml.safe_load((source / "config.yaml").read_text(encoding="utf-8"))
    header, *lines = (source / "predictions.csv").read_text(encoding="utf-8").splitlines()
    classes = record["data"]["classes"]
    random = np.random.default_rng(0)
    pairs = [(0, seed) for seed in range(num_seeds)] if alike else list(np.ndindex(num_arms, num_seeds))
    for number, (arm, seed) in enumerate(pairs):
        folder = target / hashlib.sha256(f"{target.name} {arm} {seed}".encode()).hexdigest()[:10]
        folder.mkdir(parents=True, exist_ok=True)
        quality = 0.6 + 0.3 * random.random() + 0.005 * arm
        config["optimizer"]["lr"] = RATES[arm % len(RATES)]
        config["encoder"]["hidden_size"] = 32 << arm // len(ENCODERS)
        config["seed"] = config["data"]["seed"] = config["data"]["split"]["seed"] = seed
        config["name"] = target.name
        right = random.random(len(lines)) < quality
        cells = [line.split(",") for line in lines]
        labels = np.array([classes.index(cell[3]) for cell in cells])
        predictions = np.where(right, labels, 1 - labels)
        for cell, prediction in zip(cells, predictions, strict=True):
            cell[4] = classes[prediction]
        (folder / "predictions.csv").write_text("\n".join([header, *map(",".join, cells)]) + "\n", encoding="utf-8")
        (folder / "metrics.csv").write_text(metrics_csv(random, quality), encoding="utf-8")
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        shutil.copyfile(source / "examples.json", folder / "examples.json")
        shutil.copyfile(source / "report.html", folder / "report.html")
        copied = copy.deepcopy(record)
        accuracy = float(right.mean())
        copied["metrics"] |= {"accuracy": accuracy, "macro_f1": accuracy - 0.01}
        copied |= {
            "identity": folder.name,
            "name": target.name,
            "seed": seed,
            "job": number,
            "choices": {**record["choices"], "encoder": ENCODERS[arm % len(ENCODERS)]},
        }
        copied["best_validation"]["macro_f1"] = accuracy - 0.02
        copied["started"] = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"
        (folder / "run.json").write_text(json.dumps(copied, indent=2), encoding="utf-8")


def metrics_csv(random: np.random.Generator, quality: float) -> str:
    lines = ["epoch,step,name,value"]
    for epoch in range(EPOCHS):
        progress = quality * (1 - 0.5 ** (epoch + 1)) + 0.01 * random.random()
        lines += [
            f"{epoch},{epoch * 100 + step},train/loss_step,{1 - progress + 0.05 * random.random()}"
            for step in range(9, 100, 10)
        ]
        values = {"loss": 1.1 - progress, "accuracy": progress, "macro_f1": progress - 0.01}
        lines += [f"{epoch},{epoch * 100 + 99},validation/{name},{value}" for name, value in values.items()]
        lines += [f"{epoch},{epoch * 100 + 99},train/{name},{values[name]}" for name in ("loss", "accuracy")]
    return "\n".join(lines) + "\n"


def in_browser(page: Path) -> None:
    """Load, first paint, the answer to a hover and to a sort, as the browser's own clock has them."""
    with chromium_page() as opened:
        if opened is None:
            return
        begin = time.perf_counter()
        opened.goto(page.as_uri())
        opened.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        whole = time.perf_counter() - begin
        paint, load = opened.evaluate(LOADED)
        print(f"opened in {whole:.2f} s: first paint after {paint:.0f} ms, load after {load:.0f} ms")
        sort = frames(opened, "document.querySelectorAll('table[data-name=\"All runs\"] th button')[2].click()")
        search = frames(opened, SEARCH)
        dots, curve, line = (
            frames(
                opened,
                f"document.querySelectorAll('{where}')[10].dispatchEvent(new PointerEvent('{kind}', {{bubbles: true}}))",
            )
            for where, kind in (
                (".seed", "pointerover"),
                ("#learning .stop", "pointermove"),
                (".parallel .run", "pointerover"),
            )
        )
        narrow = frames(
            opened,
            "document.querySelector('.axis .end').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowUp', bubbles: true}))",
        )
        print(
            f"until the next frame: sort {sort:.0f} ms, search {search:.0f} ms, hover over a dot {dots:.0f} ms, over a curve "
            f"{curve:.0f} ms, over a line {line:.0f} ms, narrowing an axis {narrow:.0f} ms"
        )


@contextmanager
def chromium_page() -> Iterator[Any]:
    """A page of a browser; None, and a sentence, where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("no playwright and chromium here, so nothing was opened")
        yield None
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield browser.new_page()
        browser.close()


def frames(page: Any, action: str) -> float:
    """Milliseconds from the action to the second frame after it, the median of nine."""
    measured = page.evaluate(
        f"""async () => {{
            const times = [];
            for (let round = 0; round < 9; round++) {{
                const begin = performance.now();
                {action};
                await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
                times.push(performance.now() - begin);
            }}
            return times.sort((a, b) => a - b)[4];
        }}"""
    )
    return float(measured)


def serve(output_dir: Path) -> None:
    """How long gatelab ui takes for its table the first time, again, and once one run has changed; and for one run's page."""
    from gatelab.commands.ui import make_server

    server, token = make_server(output_dir, 0, "token"), "?token=token"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    records = sorted(output_dir.glob("*/*/run.json"))
    address = f"http://127.0.0.1:{server.port}/"
    first, again = (fetch(address + token)[0] for _ in range(2))
    records[0].touch()
    changed, size = fetch(address + token)
    run = records[0].parent
    page, _ = fetch(f"{address}{run.parent.name}/{run.name}/report.html{token}")
    print(
        f"gatelab ui, {len(records):,} runs: table in {first:.2f} s, again in {again:.2f} s, with one changed in "
        f"{changed:.2f} s ({size / 1e6:.2f} MB); a run's page made on request in {page:.2f} s"
    )
    in_index(address + token)
    server.shutdown()


def fetch(address: str) -> tuple[float, int]:
    """Seconds, and how many bytes came."""
    begin = time.perf_counter()
    with urlopen(address) as answer:
        size = len(answer.read())
    return time.perf_counter() - begin, size


def in_index(address: str) -> None:
    with chromium_page() as opened:
        if opened is None:
            return
        opened.goto(address)
        paint, load = opened.evaluate(LOADED)
        sort = frames(opened, "document.querySelectorAll('table[data-name=\"All runs\"] th button')[5].click()")
        search = frames(opened, SEARCH.replace("seed", "hidden_size=64"))
        choose = frames(
            opened,
            "(() => { const name = document.querySelector('.filters select'); name.selectedIndex = 1; name.dispatchEvent(new Event('input', {bubbles: true})); })()",
        )
        print(
            f"in the browser: first paint after {paint:.0f} ms, load after {load:.0f} ms; until the next frame: sort {sort:.0f} ms, "
            f"search {search:.0f} ms, filter {choose:.0f} ms"
        )


if __name__ == "__main__":
    main()
