"""Secrets of a command line, an environment and a repository reach no file and no line on the screen."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from commands import gatelab, the_run
from secret_kinds import KINDS, LONG

from gatelab.commands.train import in_quotes

# Numbered here, so that they are not in a diff of this file.
PLANTED = [
    f"{word}{number}"
    for number, word in enumerate(
        ("correcthorse", "batterystaple", "purplemonkey", "dishwasher", "98765432", "tangerine", "ultraviolet"), 100
    )
]
SECRETS = [*PLANTED, *{secret for _, secret in KINDS.values()}]


def assert_none_in(folder: Path, screen: str, given: tuple[str, ...] = ()) -> None:
    """given: names of files that hold secrets from the start."""
    for secret in SECRETS:
        assert secret not in screen
        for path in folder.rglob("*"):
            if path.is_file() and ".git" not in path.parts and path.name not in given:
                assert secret not in path.name
                assert secret.encode() not in path.read_bytes(), (secret, path)


def test_secrets_of_every_kind_in_every_place_reach_nothing_that_a_run_writes(
    tmp_path: Path, cache_dir: Path, write_csv: Callable[..., Path]
) -> None:
    """In the path of the table, a commit and its remote, changed code, an experiment and its list, the command line and the
    environment; searched in the run folder, what three trackers write, and the screen."""
    for package in ("tensorboard", "mlflow"):
        pytest.importorskip(package)
    texts = [text for text, _ in KINDS.values()]
    rows = [
        (f"{word} thing number {n}", label) for word, label in (("fine", "good"), ("poor", "bad")) for n in range(60)
    ]
    (tmp_path / f"glpat-{LONG}").mkdir()
    file = write_csv(rows).rename(tmp_path / f"glpat-{LONG}" / "table.csv")
    (tmp_path / "code.py").write_text("x = 1\n")
    remote = f"https://robot:{PLANTED[0]}@localhost/x.git"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@localhost"]
    for words in ("init -q", f"remote add origin {remote}", "add code.py", f"commit -qm {texts[2]}"):
        subprocess.run([*git, *words.split()], cwd=tmp_path, check=True)
    (tmp_path / "code.py").write_text("".join(f"# {text}\nx = {text!r}\n" for text in texts))
    (tmp_path / "experiments").mkdir()
    notes = {"notes": {f"n{number}": text for number, text in enumerate(texts)}, "list": texts}
    (tmp_path / "experiments" / "x.yaml").write_text(yaml.safe_dump({"experiment": notes}))
    arguments = [
        "data=csv", f"data.path={file}", f"data.cache_dir={cache_dir}", "trainer=smoke", "name=planted", "experiments=x",
        "tracker=[wandb,tensorboard,mlflow]",
        *(f"+experiment.given{number}={in_quotes(text)}" for number, text in enumerate(texts) if "\n" not in text),
        f"+experiment.api_key={PLANTED[1]}",
        f"+experiment.source='https://ada:{PLANTED[2]}@localhost/x.csv?token={PLANTED[3]}'",
        f"+experiment.password={PLANTED[4]}",
        "+experiment.note='from ${oc.env:SOME_SERVICE_TOKEN}'",
    ]  # fmt: skip
    screen = gatelab("train", *arguments, cwd=tmp_path, SOME_SERVICE_TOKEN=PLANTED[5], WANDB_API_KEY=PLANTED[6] * 4)
    run = the_run(tmp_path)
    for pattern in ("planted/*/wandb/offline-run-*/*.wandb", "planted/*/tensorboard/**/*tfevents*", "mlflow.db"):
        assert list((tmp_path / "outputs").glob(pattern)), pattern
    assert "api_key: '***'" in (run / "config.yaml").read_text()
    assert "+experiment.api_key=***" in (run / "run.json").read_text()
    assert "+# ***" in (run / "uncommitted.diff").read_text()
    assert_none_in(tmp_path, screen, given=("table.csv", "code.py", "x.yaml"))


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
