"""What users of other templates type names the right key, or works."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gatelab.cli import app


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["logger=wandb"], "logger: unknown key. Did you mean tracker?"),
        (["debug=default"], "debug: unknown key. Did you mean trainer=smoke?"),
        (["epochs=3"], "epochs: unknown key. Did you mean trainer.max_epochs?"),
        (["ckpt_path=last.ckpt"], "ckpt_path: unknown key. Did you mean from?"),
        (["lr=0.1"], "lr: unknown key. Did you mean optimizer.lr?"),
        (["model=lstm"], "model=lstm: no such choice. Did you mean encoder=lstm?"),
        (["experiment=gop_debat"], "experiments=gop_debat: no such choice. Did you mean gop_debate?"),
        (["hydra.run.dir=runs"], "hydra.run.dir=runs: runs are in output_dir/name/identity. Set output_dir= or name=."),
        (["-m", "experiments=gates,gop_debate"], "gates has a sweep of its own, which runs only alone: gatelab train"),
    ],
)
def test_a_key_of_other_templates_is_answered_with_ours(words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["train", *words])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


@pytest.mark.parametrize("word", ["experiment=gates", "+experiment=gates"])
def test_experiment_is_taken_as_experiments(word: str) -> None:
    result = CliRunner().invoke(app, ["train", word, "--cfg", "job"])
    assert result.exit_code == 0
    assert "name: gates" in result.output


@pytest.mark.parametrize("first", [True, False])
def test_an_experiment_of_ones_own_folder_is_found_in_any_order(first: bool, tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text("# @package _global_\nname: mine\nseed: 77\n")
    folder, chosen = ["--config-dir", str(tmp_path)], ["experiments=mine", "trainer=smoke"]
    words = [*folder, *chosen] if first else [chosen[0], *folder, chosen[1]]
    result = CliRunner().invoke(app, ["train", *words, "--cfg", "job"])
    assert result.exit_code == 0, result.output
    assert "seed: 77" in result.output


def test_paths_are_those_of_where_the_command_was_given_also_with_hydras_chdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("text\n")
    result = CliRunner().invoke(
        app, ["train", "data=csv", "data.path=table.csv", "hydra.job.chdir=true", "tracker=none"]
    )
    assert result.exit_code == 2
    assert "table.csv: has a header (text) and no usable rows" in result.output
    assert Path.cwd() == tmp_path
