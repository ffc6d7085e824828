"""gatelab find-lr: a learning rate from a range test, and the curve that it is read from."""

from collections.abc import Sequence
from pathlib import Path

from gatelab.commands.train import compose, config_folders, explain, refuse_unquoted
from gatelab.errors import ConfigError, RunError
from gatelab.screen import console, counted


def find_lr(overrides: Sequence[str], out: Path, *, low: float, high: float, num_steps: int) -> None:
    """Print the rate at which the loss falls fastest and write the curve as out, an .svg or .pdf."""
    from hydra.errors import HydraException

    from gatelab.reports.charts.paper import FORMATS
    from gatelab.reports.charts.range_test import draw_range_test
    from gatelab.training.lr_range import lr_range
    from gatelab.training.run import resolve

    words = list(overrides)
    refuse_unquoted(words)
    if out.suffix[1:] not in FORMATS or not out.parent.is_dir():
        raise RunError(f"--out {out}: give an .svg or .pdf in a folder that exists.")
    try:
        settings = resolve(compose(words, config_folders(words)[1:]))
    except HydraException as error:
        raise ConfigError(explain(str(error), words)) from None
    found = lr_range(settings, low, high, num_steps)
    draw_range_test(out, found.rates, found.losses, found.steepest)
    console.print(
        f"curve          {out}, {counted(len(found.rates), 'step')} from {low:g} to {found.rates[-1]:.3g}",
        soft_wrap=True,
    )
    if found.steepest is None:
        console.print(
            "learning rate  none is found: more --steps, or other --min and --max, may show where the loss falls"
        )
    else:
        console.print(
            f"learning rate  {found.steepest:.2g}, where the loss falls fastest: optimizer.lr={found.steepest:.2g}"
        )
