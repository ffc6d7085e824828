from pathlib import Path

from run_folders import Folders, write_curves
from typer.testing import CliRunner

from gatelab.cli import app


def shown(folders: Folders, run: str) -> list[str]:
    result = CliRunner().invoke(app, ["show", run, "--output-dir", str(folders.output_dir)])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def has(lines: list[str], *words: str) -> bool:
    """Whether a line has all the words."""
    return any(all(word in line for word in words) for line in lines)


def test_settings_metrics_and_provenance_of_a_run_stand_on_one_screen(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "outputs")
    folder = folders.write(
        7, 0.8125, macro_f1=0.75, identity="3f9c000000", weights="best epoch", parameters=4210, seconds=12.5, epochs=2,
        choices={"encoder": "peephole"}, changed={"encoder.hidden_size": 64}, symptoms=["the loss is not a number"],
        hardware={"processor": "a processor", "cores": 2}, command=["gatelab", "seed=7"],
        baselines={"linear": {"accuracy": 0.5}},
    )  # fmt: skip
    write_curves(folder, {"validation/macro_f1": [0.25, 0.625, 0.5]})
    lines = shown(folders, "sweep/3f9c")
    assert len(lines) <= 40
    assert has(lines, "run", "sweep/3f9c000000")
    assert has(lines, "changed", "encoder.hidden_size=64")
    assert has(lines, "accuracy", "0.8125", "0.5000")
    assert has(lines, "macro-F1", "0.7500")
    assert has(lines, "validation macro-F1", "0.6250, at epoch 2")
    assert has(lines, "caution", "the loss is not a number")
    assert has(lines, "code", "commit " + "c" * 40)
    assert has(lines, "sha256, train", "a" * 64)
    assert has(lines, "command", "gatelab train seed=7")
    assert has(lines, "machine", "a processor")


def test_an_interrupted_run_is_shown_with_its_validation_so_far_and_a_failed_one_with_its_error(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "outputs")
    write_curves(folders.write(1, status="running", name="a"), {"validation/macro_f1": [0.25]})
    lines = shown(folders, "latest")
    assert has(lines, "status", "interrupted")
    assert has(lines, "validation macro-F1", "0.2500, at epoch 1")
    assert not has(lines, "accuracy")
    folders.write(1, status="failed", name="b", error="RuntimeError: it [/b]roke")
    assert has(shown(folders, "latest"), "error", "RuntimeError: it [/b]roke")
