"""The model of a finished run: it predicts, opens its gates while it reads a text, and writes. T tokens, H hidden, K classes."""

import io
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from gatelab.data.formats.records import well_formed
from gatelab.errors import RunError, did_you_mean
from gatelab.reports.charts.gate_heatmap import draw_heatmap
from gatelab.reports.charts.gate_picture import draw_gates
from gatelab.reports.charts.reading import first_shown
from gatelab.reports.charts.unit_maps import unit_maps
from gatelab.tasks.model_folder import task_of_folder
from gatelab.tasks.sequence.attention_predictor import AttentionPredictor
from gatelab.tasks.sequence.prediction import Predictor


class Model:
    """On CUDA when there is one. module: the torch module, in evaluation mode. classes: of its K outputs, none for numbers and of a language
    model."""

    def __init__(self, folder: Path, allow_targets: Sequence[str] = ()) -> None:
        self._predictor = task_of_folder(folder, allow_targets).predictor(folder, allow_targets)
        self.module: nn.Module = self._predictor.module
        self.classes: list[str] = getattr(self._predictor, "classes", [])

    def predict(self, texts: str | Iterable[str], *, attention: bool = False) -> pd.DataFrame:
        """A row for each text: text, prediction, and the probability of each class or label; of numbers only the prediction; of a language
        model tokens, unknown ones, loss, perplexity and bits a character. With attention also a list of (token, weight); raises RunError
        then for a model without attention pooling."""
        listed = [checked(text) for text in ([texts] if isinstance(texts, str) else texts)]
        if attention:
            values, weights = AttentionPredictor(self._predictor).read(listed)
            return self._table(listed, values).assign(attention=pd.Series(weights, dtype=object))
        return self._table(listed, self._predictor.predictions(listed))

    def _table(self, texts: list[str], values: NDArray[Any]) -> pd.DataFrame:
        """values (N, K)."""
        if not isinstance(self._predictor, Predictor):
            found = pd.DataFrame(values, columns=list(self._predictor.columns))
            found = found.astype({name: int for name in ("tokens", "unknown") if name in found})
            return pd.concat([pd.DataFrame({"text": texts}), found], axis=1)
        if not self.classes:
            return pd.DataFrame({"text": texts, "prediction": values[:, 0]})
        table = pd.DataFrame({"text": texts, "prediction": [self._predictor.answer(row) for row in values]})
        return table.assign(**{f"probability:{name}": values[:, k] for k, name in enumerate(self.classes)})

    def trace(self, text: str) -> "Trace":
        """Every gate and state while the model reads the text. Raises RunError for an encoder without gates."""
        text = checked(text)
        if not text.strip():
            raise RunError("The text is empty. Give what the model is to read.")
        return Trace(self._predictor.read_gates(text))

    def generate(self, prompt: str = "", *, length: int = 500, temperature: float = 1.0, seed: int = 0) -> str:
        """What a language model writes after the prompt, of so many tokens; the same for the same seed. Raises RunError for a model of another
        task, DataError for a prompt with what its vocabulary lacks."""
        if not hasattr(self._predictor, "continued"):
            raise RunError("this model writes no text. Train one with model=language_model.")
        return "".join(islice(self._predictor.continued(checked(prompt), temperature=temperature, seed=seed), length))


def checked(text: Any) -> str:
    """A text as tokenizers take it. Raises RunError for something else, such as the NaN of a missing cell."""
    if not isinstance(text, str):
        raise RunError(f"{str(text)[:40]}: is of type {type(text).__name__}, and a model reads texts. Give str(…).")
    return well_formed(text)


class Trace:
    """What a model does with one text, token by token. Shows itself as the picture of ``gatelab gates``.

    arrays: those of ``read_gates``, such as l0.forget_gate (T, H).
    """

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self.tokens: list[str] = arrays["tokens"].tolist()

    @property
    def prediction(self) -> str:
        """In words."""
        return str(self.arrays["answer"])

    @property
    def predictions(self) -> pd.DataFrame:
        """What the model says after each token: the probability of each class or label, (T, K), or a number, (T, 1)."""
        if "probabilities" not in self.arrays:
            return pd.DataFrame({"prediction": self.arrays["predictions"]}, index=self._index())
        return pd.DataFrame(self.arrays["probabilities"], index=self._index(), columns=self.arrays["classes"].tolist())

    def names(self, layer: int = 0, *, backward: bool = False) -> list[str]:
        """The gates, candidates and states of a layer and direction. Raises RunError for one that there is not."""
        prefix = prefix_of(layer, backward)
        found = [name.removeprefix(prefix) for name in self.arrays if name.startswith(prefix)]
        if not found:
            there = sorted({name.split(".")[0] for name in self.arrays if re.match(r"l\d", name) and "." in name})
            raise RunError(f"layer={layer}, backward={backward}: the model has {', '.join(there)}.")
        return found

    def values(self, name: str, layer: int = 0, *, backward: bool = False) -> pd.DataFrame:
        """(T, H) of one gate or state, such as forget_gate or cell. Raises RunError for an unknown one."""
        found = self.names(layer, backward=backward)
        if name not in found:
            raise RunError(
                f"{name}: is no value of this cell.{did_you_mean(name, found)} There are: {', '.join(found)}."
            )
        values = self.arrays[f"{prefix_of(layer, backward)}{name}"]
        return pd.DataFrame(values, index=self._index()).rename_axis(columns="unit")

    def heatmap(self, layer: int = 0, *, backward: bool = False, names: Sequence[str] | None = None) -> "Picture":
        """A figure of the last 60 tokens with a panel of tokens and units for each name, by default all that are not constant."""
        wanted = names or self.names(layer, backward=backward)
        values = {name: self.values(name, layer, backward=backward).to_numpy() for name in wanted}
        if names is None:
            values = {name: panel for name, panel in values.items() if np.ptp(panel) > 0} or values
        full = [f"{prefix_of(layer, backward)}{name}" for name in values]
        maps = unit_maps(self.arrays, {}, first=first_shown(self.arrays), order="number", names=full)
        picture = Picture()
        draw_heatmap(self.tokens, maps, picture)
        return picture

    def _index(self) -> pd.Index:
        return pd.Index(self.tokens, name="token")

    def __repr__(self) -> str:
        return f"<gatelab trace of {len(self.tokens)} tokens, prediction {self.prediction}>"

    def _repr_png_(self) -> bytes:
        return png(draw_gates(self.arrays))


def prefix_of(layer: int, backward: bool) -> str:
    """Of the names of a layer and direction in the arrays."""
    return f"l{layer}{'_reverse' if backward else ''}."


class Picture(Figure):
    """A matplotlib figure that a notebook shows whether pyplot is imported or not."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()
