"""An output folder for the tests of gatelab ui."""

from pathlib import Path

import pytest
from run_folders import Folders


@pytest.fixture
def output_dir(tmp_path: Path) -> Path:
    folders = Folders(tmp_path / "outputs")
    for seed in (1, 2):
        folders.write(seed, 0.8)
    return folders.output_dir
