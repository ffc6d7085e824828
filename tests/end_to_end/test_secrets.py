"""Secrets of a command line, an environment and a repository reach no file and no line on the screen."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import gatelab, the_run

PLANTED = (
    "correcthorse1",
    "batterystaple2",
    "purplemonkey3",
    "dishwasher4",
    "98765432101",
    "tangerine5",
    "ultraviolet6",
)


def assert_none_in(folder: Path, screen: str) -> None:
    for secret in PLANTED:
        assert secret not in screen
        for path in folder.rglob("*"):
            assert secret not in path.name
            if path.is_file() and ".git" not in path.parts:
                assert secret.encode() not in path.read_bytes(), (secret, path)


def test_planted_secrets_are_nowhere_in_the_run_folder(
    tmp_path: Path, cache_dir: Path, write_csv: Callable[..., Path]
) -> None:
    rows = [
        (f"{word} thing number {n}", label) for word, label in (("fine", "good"), ("poor", "bad")) for n in range(60)
    ]
    file = write_csv(rows)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    remote = f"https://robot:{PLANTED[0]}@localhost/x.git"
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=tmp_path, check=True)
    arguments = [
        "data=csv", f"data.path={file}", f"data.cache_dir={cache_dir}", "trainer=smoke", "name=planted",
        f"+experiment.api_key={PLANTED[1]}",
        f"+experiment.source='https://ada:{PLANTED[2]}@localhost/x.csv?token={PLANTED[3]}'",
        f"+experiment.password={PLANTED[4]}",
        "+experiment.note='from ${oc.env:SOME_SERVICE_TOKEN}'",
    ]  # fmt: skip
    screen = gatelab("train", *arguments, cwd=tmp_path, SOME_SERVICE_TOKEN=PLANTED[5], WANDB_API_KEY=PLANTED[6] * 4)
    run = the_run(tmp_path)
    assert list((run / "wandb").glob("offline-run-*/*.wandb"))
    assert "api_key: '***'" in (run / "config.yaml").read_text()
    assert "+experiment.api_key=***" in (run / "run.json").read_text()
    assert_none_in(tmp_path, screen)


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=1,2"]])
def test_an_error_names_no_secret_on_the_screen_or_in_its_log(sweep: list[str], tmp_path: Path) -> None:
    url = f"http://ada:{PLANTED[0]}@127.0.0.1:9/{'x.zip'}?key={PLANTED[1]}"
    arguments = ["data=gop_debate", f"data.url='{url}'", f"data.cache_dir={tmp_path / 'cache'}", "tracker=none", *sweep]
    screen = gatelab("train", *arguments, cwd=tmp_path, code=1 if sweep else 2)
    assert "***@127.0.0.1:9/x.zip" in screen
    assert_none_in(tmp_path, screen)


def test_a_traceback_is_logged_without_secrets(tmp_path: Path, cache_dir: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nclass Broken(nn.Module):\n    output_size = 4\n    def __init__(self, input_size):\n"
        "        super().__init__()\n"
        f"    def forward(self, x, lengths):\n        raise RuntimeError('https://ada:' + {PLANTED[0][:4]!r} + "
        f"{PLANTED[0][4:]!r} + '@localhost refused')\n"
    )
    arguments = ["encoder={_target_:mine.Broken}", "allow_targets=[mine]", "trainer=smoke", "baseline=none"]
    arguments = [argument.replace("encoder=", "+encoder@encoder=") for argument in arguments]
    overrides = [
        "encoder._target_=mine.Broken",
        *(f"~encoder.{key}" for key in ("hidden_size", "num_layers", "bidirectional", "dropout")),
    ]
    screen = gatelab("train", *overrides, *arguments[1:], f"data.cache_dir={cache_dir}", cwd=tmp_path, code=1)
    assert "https://***@localhost refused" in screen
    assert "https://***@localhost refused" in (the_run(tmp_path) / "error.log").read_text()
    assert_none_in(tmp_path / "outputs", screen)
    assert os.path.exists(tmp_path / "mine.py")
