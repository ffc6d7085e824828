"""What the model of a finished run makes of a text that is typed in gatelab ui."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatelab.errors import RunError
from gatelab.reports.server.cache import Stamp, stamp_of
from gatelab.runs.folder import RunFolder

MAX_MODELS = 4  # in memory, those asked last
MAX_CHARACTERS = 1000  # of a text
MAX_TOKENS = 1000  # that a language model goes on
MODEL_FILES = ("config.json", "tokenizer.json", "model.safetensors")
OpenModel = Callable[[RunFolder], Any]  # what gatelab.tasks.base.Task.predictor returns


class Models:
    """Each loaded when it is first asked, and again when its files have changed. One thread asks them all, one request after
    the other, since neither they nor torch promise to be asked by several."""

    def __init__(self, open_model: OpenModel) -> None:
        self._open = open_model
        self._loaded: OrderedDict[Path, tuple[Stamp, Any]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "models")

    def load(self, folder: RunFolder) -> None:
        """Raises UserError where the folder holds no model that reads texts."""
        self._thread.submit(self._get, folder).result()

    def read(self, folder: RunFolder, text: str, *, attributions: bool) -> dict[str, NDArray[Any]]:
        """The gates of the model as it reads the text. Raises UserError where it cannot."""
        check_text(text)
        read = self._thread.submit(lambda: self._get(folder).read_gates(text, attributions=attributions))
        return {**read.result(), "role": np.array("your text")}

    def continued(self, folder: RunFolder, text: str, *, temperature: float, seed: int) -> Iterator[str]:
        """What a language model writes after the text, token by token. Raises UserError for another model, before the first."""
        check_length(text)

        def begin() -> Iterator[str]:
            model = self._get(folder)
            if not hasattr(model, "continued"):
                raise RunError(f"run {folder.path.name} is no language model, so its texts do not go on.")
            return iter(islice(model.continued(text, temperature=temperature, seed=seed), MAX_TOKENS))

        pieces = self._thread.submit(begin).result()
        return iter(lambda: self._thread.submit(next, pieces, None).result(), None)

    def _get(self, folder: RunFolder) -> Any:
        stamp = stamp_of(model_files(folder))
        known = self._loaded.pop(folder.path, None)
        if known is None or known[0] != stamp:
            known = stamp, self._open(folder)
        self._loaded[folder.path] = known
        while len(self._loaded) > MAX_MODELS:
            self._loaded.popitem(last=False)
        return known[1]


def model_files(folder: RunFolder) -> list[Path]:
    return [folder.model / name for name in MODEL_FILES]


def has_model(folder: RunFolder) -> bool:
    """Whether it holds a model that reads texts."""
    return all(file.is_file() for file in model_files(folder))


def check_text(text: str) -> None:
    """Raise RunError for one that no model is to read."""
    if not text.strip():
        raise RunError("The text is empty. Type what the model is to read.")
    check_length(text)


def check_length(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise RunError(
            f"The text has {len(text):,} characters. Up to {MAX_CHARACTERS:,} are read here; cut it, or take gatelab predict."
        )
