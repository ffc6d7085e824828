"""What a run folder of somebody else makes commands do that train, test or export from it: nothing but what they are for."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from attack import OBEYED
from run_folders import Folders

from gatelab.commands.gates import new_files
from gatelab.commands.generate import generate
from gatelab.commands.reproduce import reproduce
from gatelab.errors import UserError
from gatelab.reports.charts.paper import save_figures
from gatelab.tasks.language_model.language_folder import build_language_model, save_language_model
from gatelab.tasks.language_model.text_tokenizer import CharacterTokenizer

THREADS = "threads: no machine has so many. Give --threads"
# what the record says, what the user types, and what the refusal says
REPRODUCED: list[tuple[dict[str, Any], list[str], str]] = [
    ({"hardware": {"threads": 10**9}}, [], f"1,000,000,000 {THREADS}"),
    ({"hardware": {"threads": -3}}, [], f"-3 {THREADS}"),
    ({"hardware": {"threads": 2**62}}, [], THREADS),
    ({}, ["data.path=["], r"data\.path=\[: cannot be read .* Write KEY=VALUE"),
    ({}, ["data.path=${nowhere}"], r"data\.path=.*: cannot be read"),
    ({}, ["data.cache_dir={a: 1}"], r"config\.yaml: cache_dir is no group of keys"),
    ({}, ["seed=1"], "seed: a reproduction keeps its settings"),
    ({"status": "running"}, [], "is interrupted, so it has no model"),
]


@pytest.mark.parametrize(("record", "overrides", "says"), REPRODUCED)
def test_a_record_and_what_is_typed_beside_it_are_refused(
    record: dict[str, Any], overrides: list[str], says: str, tmp_path: Path
) -> None:
    run = Folders(tmp_path / "outputs").write(1, 0.8, settings={"data.cache_dir": "cache"}, **record)
    with pytest.raises(UserError, match=says):
        reproduce(str(run.path), tmp_path / "outputs", overrides)
    assert not (run.path / "reproduced").exists()


def test_a_reproduction_goes_into_the_run_folder_and_through_no_link(tmp_path: Path) -> None:
    run = Folders(tmp_path / "outputs").write(1, 0.8)
    (run.path / "reproduced").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"reproduced: is a link, and nothing is written outside"):
        reproduce(str(run.path), tmp_path / "outputs", [])


def test_no_figure_is_written_through_a_link(tmp_path: Path) -> None:
    run = Folders(tmp_path / "outputs").write(1, 0.8)
    run.figures.symlink_to(tmp_path)
    for write in (lambda: save_figures(run.figures, {}), lambda: new_files([run], None)):
        with pytest.raises(UserError, match=r"figures: is a link, and nothing is written outside"):
            write()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_obeys_no_token_of_a_language_model(
    is_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = ["<unk>", *"\n\x1b\x9b\u202e\u0301a"]
    run = Folders(tmp_path / "outputs").write(1, 0.8)
    groups: dict[str, Any] = {
        "model": {"_target_": "gatelab.tasks.language_model.language_module.LanguageModel"},
        "encoder": {"_target_": "gatelab.recurrent.LSTMEncoder", "hidden_size": 3},
    }
    torch.manual_seed(1)
    module = build_language_model(**groups, vocab_size=len(tokens), start_id=1, unknown_id=0)
    save_language_model(run.model, module, CharacterTokenizer(tokens), **groups)
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    printed.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", printed)
    generate(str(run.path), tmp_path / "outputs", prompt="a\x1b", temperature=1.0, seed=1, length=50)
    printed.seek(0)
    text = printed.read()
    assert ("⟨U+202E⟩" in text, "\u0301" in text) == (is_terminal, True)  # accents belong to what stands before them
    assert (OBEYED.search(text) is None) is is_terminal
