"""A real browser for the pages: Debian's chromium (apt-get install chromium) where it is installed, else a reason to skip."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import gatelab, the_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
    )
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def broken_run(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A run whose model is broken and that finishes all the same; what it printed is in screen.txt."""
    folder = tmp_path_factory.mktemp("broken")
    settings = ["optimizer=sgd", "optimizer.lr=1e30", "encoder=gated", "encoder.hidden_size=8", "trainer.max_epochs=2"]
    settings += ["data.num_rows=300", "tracker=none", "trainer=cpu", "baseline=none", f"data.cache_dir={cache_dir}"]
    output = gatelab("train", *settings, cwd=folder)
    (the_run(folder) / "screen.txt").write_text(output)
    return the_run(folder)
