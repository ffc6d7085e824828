"""Any Logger of Lightning's, or of the user's own, as a tracker."""

from collections.abc import Callable, Sequence
from typing import Any

from gatelab.trackers.tracker import Point, TrackedRun, Tracker


class LightningTracker(Tracker):
    """make: builds the Logger."""

    def __init__(self, run: TrackedRun, make: Callable[[], Any]) -> None:
        super().__init__(run)
        self.logger = make()
        self.logger.log_hyperparams(run.config)

    def log(self, points: Sequence[Point]) -> None:
        for point in points:
            self.logger.log_metrics({"epoch": point.epoch, **point.values}, step=point.step)
        self.logger.save()

    def finish(self, status: str) -> list[str]:
        self.logger.finalize("success" if status in ("finished", "pruned") else "failed")
        return [str(self.logger.save_dir)] if self.logger.save_dir else []
