"""What users of other templates type names the right key, or works."""

import pytest
from typer.testing import CliRunner

from gatelab.cli import app


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["logger=wandb"], "logger: unknown key. Did you mean tracker?"),
        (["debug=default"], "debug: unknown key. Did you mean trainer=smoke?"),
        (["epochs=3"], "epochs: unknown key. Did you mean trainer.max_epochs?"),
        (["lr=0.1"], "lr: unknown key. Did you mean optimizer.lr?"),
        (["model=lstm"], "model=lstm: no such choice. Did you mean encoder=lstm?"),
        (["experiment=gop_debat"], "experiments=gop_debat: no such choice. Did you mean gop_debate?"),
        (["-m", "experiments=gates,gop_debate"], "gates has a sweep of its own, which runs only alone: gatelab train"),
    ],
)
def test_a_key_of_other_templates_is_answered_with_ours(words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["train", *words])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


def test_experiment_is_taken_as_experiments() -> None:
    result = CliRunner().invoke(app, ["train", "experiment=gates", "--cfg", "job"])
    assert result.exit_code == 0
    assert "name: gates" in result.output
