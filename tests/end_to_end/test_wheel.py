"""An installed wheel carries its configs: gatelab train works in an empty folder. It is built from what an image is, too."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copy_as_docker(folder: Path) -> None:
    """What .dockerignore lets through."""
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        for path in ROOT.glob(line[1:]) if line.startswith("!") else ():
            place = folder / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy)(path, place)


def test_a_wheel_trains_in_an_empty_folder(tmp_path: Path, cache_dir: Path) -> None:
    source = tmp_path / "source"
    copy_as_docker(source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(site)
    assert {"gatelab/conf/train.yaml", "hydra_plugins/gatelab/sweepers.py"} <= set(names)
    assert {f"gatelab/experiments/{file.name}" for file in (ROOT / "experiments").glob("*.yaml")} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("results" in name or "tests" in name for name in names)
    code = "import sys, gatelab; print(gatelab.__file__); from gatelab.cli import main; main()"
    arguments = ["train", "trainer=smoke", "tracker=none", "baseline=none", f"data.cache_dir={cache_dir}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(str(site))
    assert len(list(empty.glob("outputs/default/*/model/model.safetensors"))) == 1
    assert len(list(empty.glob("outputs/default/*/report.html"))) == 1
    assert len(list(empty.glob("outputs/default/*/figures/calibration.pdf"))) == 1
