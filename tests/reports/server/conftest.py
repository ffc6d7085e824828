"""Output folders for the tests of gatelab ui."""

import shutil
from pathlib import Path

import pytest
import torch
from run_folders import Folders

from gatelab.runs.language_evidence import LanguageEvidence, write_language_evidence
from gatelab.tasks.language_model.language_folder import build_language_model, save_language_model
from gatelab.tasks.language_model.text_tokenizer import CharacterTokenizer

ENCODER = {"_target_": "gatelab.recurrent.GatedEncoder", "hidden_size": 6}
LANGUAGE_MODEL = {"_target_": "gatelab.tasks.language_model.language_module.LanguageModel"}
CHARACTERS = CharacterTokenizer(["<unk>", *"\n abcdefgh"])


@pytest.fixture(scope="module")
def live_folders(tmp_path_factory: pytest.TempPathFactory, hostile_run: Path) -> Folders:
    """A classifier, a language model with random weights, and a run without model."""
    folders = Folders(tmp_path_factory.mktemp("live") / "outputs")
    shutil.copytree(hostile_run, folders.output_dir / "classes" / "aaaaaaaaaa")
    language = folders.write(1, name="language", identity="bbbbbbbbbb")
    torch.manual_seed(1)
    module = build_language_model(LANGUAGE_MODEL, ENCODER, vocab_size=11, start_id=1, unknown_id=0)
    save_language_model(language.model, module, CHARACTERS, model=LANGUAGE_MODEL, encoder=ENCODER)
    evidence = LanguageEvidence(positions=None, frequencies=[], passage=None, samples=[])
    write_language_evidence(language.language, evidence)
    folders.write(2, name="none", identity="cccccccccc")
    return folders


@pytest.fixture
def output_dir(tmp_path: Path) -> Path:
    folders = Folders(tmp_path / "outputs")
    for seed in (1, 2):
        folders.write(seed, 0.8)
    return folders.output_dir
