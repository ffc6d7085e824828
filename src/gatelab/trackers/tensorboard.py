"""TensorBoard: curves and HParams, in outputs/<name>/<identity>/tensorboard."""

import shutil
import time
from collections.abc import Sequence
from shlex import quote
from typing import Any

from gatelab.trackers.tracker import Point, TrackedRun, Tracker


class TensorboardTracker(Tracker):
    """A resumed run is written anew from its metrics, so that no point stands twice."""

    package = "tensorboard"

    def __init__(self, run: TrackedRun) -> None:
        super().__init__(run)
        from tensorboard.plugins.hparams import summary_v2
        from torch.utils.tensorboard import FileWriter

        folder = run.folder.path / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)
        self._step = -1  # of the last point
        self._writer = FileWriter(str(folder))
        parameters = {key: as_hparam(value) for key, value in run.parameters.items()}
        self._writer.add_summary(summary_v2.hparams_pb(parameters, trial_id=run.identity))

    def log(self, points: Sequence[Point]) -> None:
        from torch.utils.tensorboard.summary import scalar

        for point in points:
            for name, value in point.values.items():
                self._writer.add_summary(scalar(name, value), point.step)
            if point.step != self._step:
                self._writer.add_summary(scalar("epoch", point.epoch), point.step)
            self._step = point.step
        self._writer.flush()

    def finish(self, status: str) -> list[str]:
        self._writer.add_summary(session_end(success=status in ("finished", "pruned")))
        self._writer.close()
        return [f"tensorboard --logdir {quote(str(self.run.folder.path.parent))}"]


def session_end(success: bool) -> Any:
    """What ends a run in HParams; tensorboard's own function for it needs TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS if success else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=info))
    return Summary(
        value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)]
    )


def as_hparam(value: Any) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
