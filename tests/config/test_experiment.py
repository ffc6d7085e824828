"""What an experiment states is checked before any run starts."""

from pathlib import Path
from typing import Any

import pytest

from gatelab.config.experiment import Experiment, check_experiment, find_experiment, read_experiment
from gatelab.errors import ConfigError

KNOWN = ("data", "encoder", "seed")
NUMBER = {"where": {"encoder": "gru"}, "metric": "accuracy", "value": 0.9}
SHARE = {"where": {"encoder": "gru", "data.length": 100}, "at_least": 0.5}
ORDER = {"better": {"encoder": "lstm"}, "worse": {"encoder": "rnn"}, "metric": "accuracy"}


def test_a_complete_statement_has_no_problem_and_notes_of_ones_own_are_taken() -> None:
    stated: dict[Any, Any] = {
        5: None,
        "question": "Does it hold?",
        "published": [{**NUMBER, "margin": 0.01, "reason": "two digits"}],
        "claims": [SHARE, ORDER],
        "deviations": [{"paper": "a", "ours": "b", "why": "c"}],
        "quick": ["seed=1"],
        "given0": "a note",
        "claim": None,
    }
    assert check_experiment(stated, KNOWN) == []
    assert Experiment.model_validate(stated).has_criteria
    assert not Experiment.model_validate({"published": [NUMBER]}).has_criteria  # without a margin there is no verdict


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"published": [NUMBER, {**NUMBER, "value": "0.9"}]}, r"experiment\.published\[1\]\.value=0\.9: input should be a valid number"),
        ({"published": [{"metric": "accuracy"}]}, r"experiment\.published\[0\]\.value: is missing"),
        ({"published": [{**NUMBER, "margin": 0.1}]}, r"experiment\.published\[0\]: margin needs reason"),
        ({"published": [{**NUMBER, "value": float("nan")}]}, r"experiment\.published\[0\]\.value=nan"),
        ({"published": [{**NUMBER, "sdt": 0.1}]}, r"experiment\.published\[0\]\.sdt: unknown key"),
        ({"claims": [SHARE, {**SHARE, "at_most": 0.5}]}, r"experiment\.claims\[1\]: give at_least or at_most, one of the two"),
        ({"claims": [{**SHARE, "metric": "accuracy"}]}, r"experiment\.claims\[0\]: metric and threshold go together"),
        ({"claims": [{**SHARE, "at_least": 50}]}, r"experiment\.claims\[0\]\.at_least=50: .*less than or equal to 1"),
        ({"claims": [{**ORDER, "test": "t"}]}, r"experiment\.claims\[0\]\.test=t: .*'ranks' or 'almost_stochastic'"),
        ({"claims": [{**ORDER, "worse": {"encodr": "rnn"}}]}, r"experiment\.claims\[0\]\.worse: encodr is no key of a config\. Did you mean encoder\?"),
        ({"claims": [{**SHARE, "where": {"encoder": ["gru"]}}]}, r"experiment\.claims\[0\]\.where\.encoder: input should be"),
        ({"deviations": [{"paper": "a", "ours": " ", "why": "c"}]}, r"experiment\.deviations\[0\]\.ours: is empty"),
        ({"quick": "seed=1"}, r"experiment\.quick=seed=1: .*valid list"),
        ({"claim": ["a"]}, r"experiment\.claim: .*valid string"),
        ({"publishd": []}, r"experiment\.publishd: unknown key\. Did you mean published\?"),
    ],
)  # fmt: skip
def test_a_malformed_statement_is_named_by_its_key(stated: dict[str, Any], says: str) -> None:
    import re

    problems = check_experiment(stated, KNOWN)
    assert len(problems) == 1, problems
    assert re.match(says, problems[0]), problems


def test_published_numbers_of_earlier_records_are_read_as_those_of_one_source() -> None:
    stated = {"published": {"source": "a kernel", "accuracy": 0.83, "recall": {"Very.bad": 0.6}}}
    assert check_experiment(stated, KNOWN) == []
    found = Experiment.model_validate(stated).published
    assert [(one.metric, one.value, one.source, one.where) for one in found] == [
        ("accuracy", 0.83, "a kernel", {}),
        ("per_class.Very.bad.recall", 0.6, "a kernel", {}),
    ]


def test_the_experiment_of_the_nearest_folder_is_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "x.yaml").write_text(f"experiment: {{question: of {number}}}\n")
    file = find_experiment("x", folders)
    assert file == folders[1] / "x.yaml"
    assert read_experiment(file) == {"question": "of 1"}
    assert find_experiment("y", folders) is None
    file.write_text("experiment: [\n")
    with pytest.raises(ConfigError, match=r"x\.yaml: is no YAML of a config"):
        read_experiment(file)
