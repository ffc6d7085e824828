"""What a run imports comes in an order and a way that cost least."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from gatelab.training.imports import quick_imports


def in_a_new_process(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_run_begins_without_torch_lightning_wandb_and_pictures(tmp_path: Path) -> None:
    heavy = {"torch", "pytorch_lightning", "wandb", "matplotlib", "scipy", "pandas", "sklearn"}
    code = f"import gatelab.commands.train, gatelab.training.run; print({heavy} & {{*sys.modules}})"
    assert in_a_new_process(code, tmp_path) == "set()"


@pytest.mark.parametrize(
    ("trackers", "is_there"), [({"wandb": {"mode": "offline"}}, True), ({"wandb": None}, False), ({}, False)]
)
def test_wandb_is_imported_before_torch_if_it_is_a_tracker(
    trackers: dict[str, object], is_there: bool, tmp_path: Path
) -> None:
    (tmp_path / "wandb.py").write_text("import sys; before = 'torch' not in sys.modules")
    code = (
        "from gatelab.training.imports import quick_imports\n"
        f"with quick_imports({trackers}): print('wandb' in sys.modules and sys.modules['wandb'].before)"
    )
    assert in_a_new_process(code, tmp_path) == str(is_there)


def test_a_wandb_that_cannot_be_imported_is_left_to_the_tracker(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("1 / 0")
    code = "from gatelab.training.imports import quick_imports\nwith quick_imports({'wandb': {}, 'x': {}}): print('on')"
    assert in_a_new_process(code, tmp_path) == "on"


def test_the_garbage_collector_pauses_for_the_imports_and_skips_their_modules_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    gc.unfreeze()  # what conftest.py has frozen
    try:
        with quick_imports({}):
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
        with pytest.raises(ZeroDivisionError), quick_imports({}):
            raise ZeroDivisionError
        assert gc.isenabled()
    finally:
        gc.freeze()


def test_a_later_run_of_a_sweep_freezes_nothing_of_the_one_before() -> None:
    assert "torch" in sys.modules
    frozen = gc.get_freeze_count()
    with quick_imports({}):
        assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen  # what is let go of meanwhile is less
