"""Secrets of every kind are taken out of every text that a run writes, prints or hands to a tracker."""

from collections.abc import Callable
from typing import Any

import pytest
from attack import WORKS, redact_all
from secret_kinds import KINDS

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
