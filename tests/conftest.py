"""What all tests share. GATELAB_DATA names the folder of real data; tests that need it skip without it."""

import csv
import gc
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is first imported
os.environ["WANDB_SILENT"] = "true"
pytest_plugins = ["quick_interpreter"]

# To see what depends on the processor: GATELAB_TEST_ONEDNN=off, GATELAB_TEST_THREADS=4, and torch's own
# ONEDNN_MAX_CPU_ISA=SSE41 and ATEN_CPU_CAPABILITY=default.
if os.environ.get("GATELAB_TEST_ONEDNN") == "off":
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]

DATA = Path(os.environ.get("GATELAB_DATA", Path(__file__).parents[1].parent / "shared" / "data"))


@pytest.hookimpl(tryfirst=True)  # before xdist looks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what a module makes once, such as a trained run, go to one process, so that it is made once."""
    for item in items:
        fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 -- pytest has no public way to ask
        if any(definitions[-1].scope == "module" for definitions in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))


def pytest_collection_finish() -> None:
    """What was imported is never looked at for garbage again, which would take half of a small run that a test trains itself."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set GATELAB_DATA")
    return DATA


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A finished run on texts that mean harm to a page; trained once for all workers."""
    from commands import once, the_run

    from hostile import train_hostile

    return the_run(once(tmp_path_factory, "hostile", partial(train_hostile, cache_dir=cache_dir)))


@pytest.fixture
def attack(tmp_path: Path, record_property: Callable[[str, object], None]) -> Callable[..., Any]:
    """attack(says, call, *arguments): try it in the test's own folder (attack.py), see that it is refused with a sentence in which
    the pattern ``says`` is found, or works where that is WORKS, and count it for the figure at the end of the tests."""
    from attack import WORKS, Attempt, attempt

    def attack(says: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Attempt:
        tried = attempt(call, *arguments, **{"folder": tmp_path, **options})
        record_property("attack", tried.kind)
        assert tried.kind == ("worked" if says == WORKS else "refused"), f"{tried.problem}\n{tried.text}"
        assert says == WORKS or re.search(says, tried.text), tried.text
        return tried

    return attack


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How the attacks of tests/hostile ended. One whose test failed is broken, wherever it failed."""
    counts = Counter[str]()
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        kinds = [kind for name, kind in report.user_properties if name == "attack" and report.when == "call"]
        if kinds and report.failed:
            kinds[-1] = "broken"
        counts.update(kinds)
    if counts:
        terminalreporter.write_line(
            f"attacks: {counts.total():,} tried, {counts['refused']:,} refused with a sentence, {counts['worked']:,} worked, "
            f"broken = {counts['broken']:,}"
        )


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    """write_csv(rows, name="table.csv", header=("text", "label")): a CSV in the test's own folder."""

    def write(
        rows: Iterable[Iterable[str]], name: str = "table.csv", header: Iterable[str] = ("text", "label")
    ) -> Path:
        file = tmp_path / name
        with open(file, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows])
        return file

    return write


DETERMINISM: Any = torch.utils.deterministic
FILLS, THREADS = DETERMINISM.fill_uninitialized_memory, torch.get_num_threads()


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """A run trained inside a test, or for several by a fixture, leaves its settings of torch to no other test."""
    yield
    DETERMINISM.fill_uninitialized_memory = FILLS
    torch.set_deterministic_debug_mode("default")
    torch.set_num_threads(THREADS)
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def one_thread_one_seed() -> None:
    torch.set_num_threads(int(os.environ.get("GATELAB_TEST_THREADS", "1")))
    torch.manual_seed(7)
