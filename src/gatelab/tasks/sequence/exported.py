"""A trained model as one graph for other programs: torch.export's, or ONNX held against torch in onnxruntime.

B rows, T tokens of the longest, K outputs.
"""

import json
import logging
import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gatelab.errors import RunError
from gatelab.recurrent.scan import ScanEncoder
from gatelab.tasks.sequence.sequence_module import SequenceModule

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-5  # of a probability, or relative to the largest number
SHAPES = ((3, 7), (1, 1), (2, 40))  # rows and tokens that ONNX is held against torch with


class Predictions(nn.Module):
    """tokens (B, T) and lengths (B,), as for the module → predictions (B, K): probabilities, or numbers."""

    def __init__(self, module: SequenceModule) -> None:
        super().__init__()
        layers = getattr(module.encoder, "recurrent", None)
        if layers is not None:  # else an encoder of the user's own, exported as it is
            module.encoder = ScanEncoder(layers)
        self.module = module.eval().requires_grad_(False)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.module.predict(self.module(tokens, lengths))


def exported_program(module: SequenceModule) -> torch.export.ExportedProgram:
    """For any B and T. Raises RunError where torch.export cannot do it, as of an encoder of the user's own."""
    rows, steps = torch.export.Dim("rows"), torch.export.Dim("tokens")
    try:
        with quiet():
            shapes = ({0: rows, 1: steps}, {0: rows})
            return torch.export.export(Predictions(module), random_rows(module, *SHAPES[0]), dynamic_shapes=shapes)
    except Exception as error:  # torch has many
        raise RunError(f"this model cannot be exported: {first_line(error)}") from error


def onnx_model(
    program: torch.export.ExportedProgram, module: SequenceModule, about: dict[str, Any]
) -> tuple[bytes, float]:
    """The content of a .onnx file, and the largest difference of its predictions in onnxruntime from torch's, relative to the
    largest number where that is above 1. about: plain values for its metadata.

    Raises RunError without the packages, and where the predictions differ.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise RunError(f"--onnx needs {', '.join(missing)}: pip install 'gatelab[onnx]'.")
    import onnxruntime

    try:
        with quiet():
            names = {"input_names": ["tokens", "lengths"], "output_names": ["predictions"]}
            converted: Any = torch.onnx.export(program, dynamo=True, verbose=False, **names)  # type: ignore[arg-type]
            converted.model.metadata_props.update(
                {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()}
            )
            content = converted.model_proto.SerializeToString()
    except Exception as error:
        raise RunError(f"torch.onnx cannot export this model: {first_line(error)}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options)
    differences = []
    for shape in SHAPES:
        tokens, lengths = random_rows(module, *shape)
        expected = program.module()(tokens, lengths).numpy()
        (found,) = session.run(None, {"tokens": tokens.numpy(), "lengths": lengths.numpy()})
        differences.append(float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max())))
    if not max(differences) <= TOLERANCE:
        raise RunError(
            f"the ONNX model's predictions differ from torch's by up to {max(differences):.1e}, so it is not written."
        )
    return content, max(differences)


def random_rows(module: SequenceModule, num_rows: int, num_steps: int) -> tuple[Tensor, Tensor]:
    """Tokens (B, T) and lengths (B,), the first row the longest; the same on each call."""
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, num_steps + 1, (num_rows,), generator=random)
    lengths[0] = num_steps
    tokens = torch.randint(1, module.embedding.num_embeddings, (num_rows, num_steps), generator=random)
    return torch.where(torch.arange(num_steps) < lengths[:, None], tokens, 0), lengths


@contextmanager
def quiet() -> Any:
    """Without what torch and onnxscript say to their developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0]}"
