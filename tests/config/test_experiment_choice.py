"""What an experiment states is refused before its first run, and its quick mode brings no more than overrides of a run."""

from pathlib import Path

import pytest

from gatelab.config.experiment_choice import check_chosen, with_quick
from gatelab.errors import ConfigError

CHOICES = {"encoder": ["gru", "lstm"]}


def write(folder: Path, text: str) -> list[Path]:
    (folder / "mine.yaml").write_text(text)
    return [folder]


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("claims: [{where: {encoder: gruu}, at_least: 0.5}]", r"mine\.yaml: experiment\.claims\[0\]\.where: encoder=gruu: no such choice\. Did you mean gru\?"),
        ("claims: [{where: {encoder: gru}, at_least: 5}]", r"mine\.yaml: experiment\.claims\[0\]\.at_least=5: "),
        ("quick: ['hydra.launcher.n_jobs=1']", r"mine\.yaml: experiment\.quick\[0\]: is no override of a key of the run"),
        ("quick: ['allow_targets=[mine]']", r"experiment\.quick\[0\]: is no override"),
        ("quick: ['--config-dir=elsewhere']", r"experiment\.quick\[0\]: is no override"),
        ("quick: ['+model.a=1']", r"experiment\.quick\[0\]: is no override"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_file_and_key(stated: str, says: str, tmp_path: Path) -> None:
    folders = write(tmp_path, f"experiment: {{{stated}}}\n")
    with pytest.raises(ConfigError, match=says):
        check_chosen(["experiments=mine"], folders, ["encoder"], lambda group: CHOICES.get(group, []))
    check_chosen(["seed=1"], folders, ["encoder"], lambda group: CHOICES.get(group, []))  # which chooses another


def test_quick_adds_the_overrides_that_are_not_given_and_a_name_apart(tmp_path: Path) -> None:
    folders = write(tmp_path, "experiment: {quick: ['seed=1,2', trainer.max_epochs=1]}\n")
    words = ["experiments=mine", "seed=7", "+quick=true"]
    assert with_quick(words, folders) == ["experiments=mine", "seed=7", "name=mine_quick", "trainer.max_epochs=1", "+quick=true"]  # fmt: skip
    assert with_quick(words[:2], folders) == words[:2]


def test_quick_without_an_experiment_that_has_it_says_so(tmp_path: Path) -> None:
    folders = write(tmp_path, "experiment: {question: why}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml has no experiment\.quick"):
        with_quick(["experiments=mine", "+quick=true"], folders)
    with pytest.raises(ConfigError, match=r"gatelab train experiments=NAME \+quick=true"):
        with_quick(["+quick=true"], folders)
