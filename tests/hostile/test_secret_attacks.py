"""Secrets of every kind are taken out of every text that a run writes, prints or hands to a tracker."""

from collections.abc import Callable
from typing import Any

import pytest
from attack import WORKS, redact_all

LONG = "q7Vx2LmN8pRt4WzB6cYd0eFgHj3kS5uA"
# What may stand in a text, and of it what must not.
KINDS = {
    "an AWS key": ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    "an AWS secret": (f"aws_secret_access_key={LONG}/+x", LONG),
    "a GitHub token": (f"ghp_{LONG}", LONG),
    "a fine-grained GitHub token": (f"github_pat_{LONG}_{LONG}", LONG),
    "a GitLab token": (f"glpat-{LONG}", LONG),
    "a Hugging Face token": (f"hf_{LONG}", LONG),
    "a wandb key": (f"wandb_v1_{LONG}", LONG),
    "a PyPI token": (f"pypi-AgEIcHlwaS5vcmc{LONG}", LONG),
    "an npm token": (f"npm_{LONG}abcd", LONG),
    "an OpenAI key": (f"sk-proj-{LONG}", LONG),
    "a bearer header": (f"Authorization: Bearer {LONG}", LONG),
    "a basic header": (f"Authorization: Basic {LONG}==", LONG),
    "a URL": (f"https://ada:{LONG}@localhost/x.git", LONG),
    "a query": (f"https://localhost/x.csv?a=1&sig={LONG}&b=2", LONG),
    "a .netrc": (f"machine api.wandb.ai login user password {LONG}", LONG),
    "a private key": (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{LONG}\n-----END OPENSSH PRIVATE KEY-----", LONG),
    "a JSON web token": (f"eyJhbGciOiJIUzI1NiJ9.{LONG}.{LONG}", LONG),
    "an odd name": (f"MY_PAT={LONG}", LONG),
    "another odd name": (f"DB_PASS: {LONG}", LONG),
    "a third odd name": (f"DB_PWD={LONG}", LONG),
}
# Where it may stand: {} in what a run's files, its trackers and the screen hold.
PLACES = {
    "an override": "+experiment.note={}",
    "a quoted override": "+experiment.note='{}'",
    "a note": "asked by Ada, with {} and no more",
    "a path": "/home/ada/{}/reviews.csv",
    "JSON": '{{"note": "{}"}}',
    "YAML": "note: {}\nseed: 1\n",
    "a diff of settings": "+++ b/conf.yaml\n@@ -1 +1 @@\n-a: 1\n+{}\n",
    "a traceback": '  File "x.py", line 1\nValueError: {}',
    "a list": "[1, '{}', 2]",
    "a command": "gatelab train data.path=x.csv '+a={}' seed=1",
    "the end of a sentence": "cannot be reached: {}.",
    "brackets": "({})",
    "lines": "first\n{}\nlast",
    "a table": "| note | {} | 0.5 |",
}


@pytest.mark.parametrize("place", PLACES)
def test_every_kind_is_taken_out_of_a_place(place: str, attack: Callable[..., Any]) -> None:
    texts = [PLACES[place].format(text) for text, _ in KINDS.values()]
    found = attack(WORKS, redact_all, texts).text.split("\n----\n")
    held = [name for (name, (_, secret)), text in zip(KINDS.items(), found, strict=True) if secret in text]
    assert held == []
