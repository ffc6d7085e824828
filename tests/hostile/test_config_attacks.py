"""Configs, experiments and folders of somebody else's run nothing."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attack import WORKS, gatelab, train_from_python

Attack = Callable[..., Any]
TEXT = "would be resolved to anything"
LINE = "counts on the command line alone"
CODE = "import os; os.system('touch canary')\nclass Evil: pass\n"  # of evil.py
SHELL = "{_target_: subprocess.getoutput, cmd: touch canary}"
LATER = r"\\${oc.create:{_target_: os.system, _args_: [touch canary]}}"  # in YAML's double quotes
LOGGING = "{version: 1, root: {handlers: [a]}, handlers: {a: {(): subprocess.getoutput, cmd: touch canary}}}"
MULTIRUN = "hydra: {mode: MULTIRUN, "

# name: an experiment, and what the refusal says
EXPERIMENTS = {
    "an escaped interpolation in the optimizer": (f'optimizer: {{foo: "{LATER}"}}', TEXT),
    "an escaped interpolation in a list": (f'optimizer: {{betas: ["{LATER}"]}}', TEXT),
    "an escaped interpolation as a key": (f'optimizer: {{betas: {{"{LATER}": 1}}}}', TEXT),
    "an escaped interpolation in a callback": (
        f'callbacks: {{a: {{_target_: pytorch_lightning.callbacks.Timer, duration: "{LATER}"}}}}', TEXT,
    ),
    "an escaped interpolation in the sweeper": (f'{MULTIRUN}sweeper: {{max_batch_size: "{LATER}"}}}}', LINE),
    "a module that it allows itself": ("allow_targets: [evil]\nencoder: {_target_: evil.Evil}", LINE),
    "a module that its sweep allows": (f"{MULTIRUN}sweeper: {{params: {{allow_targets: '[evil]'}}}}}}", LINE),
    "a callback of Hydra's": (f"hydra: {{callbacks: {{a: {SHELL}}}}}", LINE),
    "a callback of Hydra's in a module": ("hydra: {callbacks: {a: {_target_: evil.Evil}}}", LINE),
    "a handler of the job's log": (f"hydra: {{job_logging: {LOGGING}}}", LINE),
    "a handler of Hydra's log": (f"{MULTIRUN}hydra_logging: {LOGGING}}}", LINE),
    "a launcher": (f"{MULTIRUN}launcher: {{_target_: evil.Evil}}}}", LINE),
    "a sweeper": (f"{MULTIRUN}sweeper: {{_target_: evil.Evil}}}}", LINE),
    "what a sweeper is built from": (f"{MULTIRUN}sweeper: {{max_batch_size: {SHELL}}}}}", LINE),
    "a target where a number stands": (f"seed: {SHELL}\nhydra: {{mode: MULTIRUN}}", "may be built"),
    "a choice of launcher in a folder of its own": ("defaults: [override /hydra/launcher: evil]", "no other is taken"),
    "a line of the job's shell script": (
        "defaults: [override /hydra/launcher: submitit_local]\nhydra: {launcher: {parameters: {local_setup: [touch canary]}}}", LINE,
    ),
    "a cluster elsewhere": ("defaults: [override /hydra/launcher: ray]\nhydra: {launcher: {init: {address: 10.0.0.1:1}}}", LINE),
    "a database elsewhere": ("defaults: [override /hydra/sweeper: optuna]\nhydra: {sweeper: {storage: mysql://10.0.0.1}}", LINE),
    "what a sweeper that it chooses takes from the run": (
        f"defaults: [override /hydra/sweeper: optuna]\nseed: {SHELL}\nhydra: {{mode: MULTIRUN}}", LINE,
    ),
    "the environment of a job": ("hydra: {job: {env_set: {GIT_EXTERNAL_DIFF: touch canary}}}", LINE),
    "another working folder": ("hydra: {job: {chdir: true}}", LINE),
    "another folder of the run": ("hydra: {run: {dir: /tmp}}", LINE),
    "a package to search": ("hydra: {searchpath: [pkg://evil]}", "only supported from the primary config"),
    "a tag of Python's": ("a: !!python/object/apply:os.system [touch canary]", "x.yaml: is no YAML of a config"),
    "a target of Python's": ("encoder: {_target_: os.system, command: touch canary}", "only what is inside torch"),
    "an alias of a target of Python's": ("encoder: {_target_: gatelab.screen.os.system}", "system of posix"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_runs_nothing_that_it_names(name: str, tmp_path: Path, attack: Attack) -> None:
    experiment, says = EXPERIMENTS[name]
    write(tmp_path, "experiments/x.yaml", experiment)
    write(tmp_path, "conf/hydra/launcher/evil.yaml", "_target_: evil.Evil")
    write(tmp_path, "evil.py", CODE)
    attack(says, gatelab, "train", "experiments=x", "tracker=none")


# name: files, arguments, and what the refusal says
FOLDERS: dict[str, tuple[dict[str, str], list[str], str]] = {
    "a choice that reaches over all of the config": (
        {"conf/data/x.yaml": f"# @package _global_\nhydra: {{callbacks: {{a: {SHELL}}}}}"}, ["data=x"], LINE,
    ),
    "a choice of a sweep": (
        {"conf/data/x.yaml": f"# @package _global_\nhydra: {{job_logging: {LOGGING}}}"}, ["-m", "data=x", "seed=1,2"], LINE,
    ),
    "what a sweeper takes from the run": (
        {"experiments/x.yaml": f"seed: {SHELL}"}, ["-m", "experiments=x", "hydra/sweeper=optuna"], LINE,
    ),
    "a primary config": ({"c/train.yaml": f"hydra: {{callbacks: {{a: {SHELL}}}}}"}, ["--config-path", "c"], LINE),
    "a config of another name": (
        {"c/x.yaml": f"defaults: [train, _self_]\nhydra: {{callbacks: {{a: {SHELL}}}}}"}, ["--config-dir=c", "-cn", "x"], LINE,
    ),
    "an interpolation of the command line": (
        {}, [r"+trainer.foo='\${oc.create:{_target_: os.system, _args_: [touch canary]}}'"], TEXT,
    ),
    "a plugin of Hydra's in the working folder": ({"hydra_plugins/evil.py": CODE}, ["seed=x"], "seed=x"),
    "a module of the name of a package": ({"pynvml.py": CODE, "joblib.py": CODE}, ["seed=x"], "seed=x"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_runs_nothing_that_lies_in_it(name: str, tmp_path: Path, attack: Attack) -> None:
    files, arguments, says = FOLDERS[name]
    for place, text in files.items():
        write(tmp_path, place, text)
    given = [str(tmp_path / "c") if argument == "c" else argument for argument in arguments]
    attack(says, gatelab, "train", *given)


def test_from_python_an_experiment_allows_itself_nothing_either(tmp_path: Path, attack: Attack) -> None:
    write(tmp_path, "experiments/x.yaml", EXPERIMENTS["a module that it allows itself"][0])
    write(tmp_path, "evil.py", CODE)
    attack(LINE, train_from_python, "experiments=x")


def test_what_the_command_line_says_of_hydra_is_taken_with_an_experiment_too(tmp_path: Path, attack: Attack) -> None:
    write(tmp_path, "experiments/x.yaml", "seed: 1")
    write(tmp_path, "mine.py", "class Encoder: pass")
    words = ["experiments=x", "allow_targets=[mine]", "+hydra.job.env_set.A=b", "--cfg=job"]
    assert "- mine" in attack(WORKS, gatelab, "train", *words).text


@pytest.mark.parametrize("flag", ["--experimental-rerun", "--exp"])
def test_no_pickle_of_a_config_is_read(flag: str, tmp_path: Path, attack: Attack) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return __import__("os").system, ("touch canary",)

    (tmp_path / "config.pickle").write_bytes(pickle.dumps(Evil()))
    attack("reads a pickle", gatelab, "train", flag, "config.pickle")


def write(folder: Path, place: str, text: str) -> None:
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_text(text)
