"""The weights of a trained module: written to model.safetensors, and put into a module that config.json says how to build."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from gatelab.bounded import open_safetensors
from gatelab.config.targets import is_inside
from gatelab.errors import RunError, UserError
from gatelab.files import atomic_write
from gatelab.tasks.sequence.model_checks import check_weights, first_line, reason

WEIGHTS = "model.safetensors"


def write_weights(folder: Path, module: nn.Module) -> None:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors_of(module).items()}
    atomic_write(folder / WEIGHTS, save(weights))


def load_module(folder: Path, config: dict[str, Any], kind: type, otherwise: str, build: Callable[[], Any]) -> Any:
    """What build makes of config.json, with the weights beside it, in evaluation mode. Raises RunError where it cannot be built, where its
    class is not of kind, of which otherwise is said, and where the weights are not its own."""
    file, weights = folder / "config.json", folder / WEIGHTS

    def built() -> Any:
        """With random weights."""
        try:
            module = build()
        except UserError as error:
            raise RunError(f"{file}: {error}") from None
        except (RuntimeError, ArithmeticError, LookupError, TypeError, ValueError) as error:  # of torch, over sizes
            raise RunError(f"{file}: no model can be built of its settings: {first_line(error)}.") from None
        if not isinstance(module, kind):
            raise RunError(f"{file}: {type(module).__name__} {otherwise}.")
        return module

    try:
        with open_safetensors(weights) as tensors:
            if is_inside(config["encoder"]["_target_"], ("gatelab",)):
                with torch.device("meta"):  # takes no memory, whatever sizes the config asks for
                    check_weights(weights, tensors, tensors_of(built()))
            module = built()
            check_weights(weights, tensors, tensors_of(module))
            # The names were checked; of tied weights there is one.
            module.load_state_dict({name: tensors.get_tensor(name) for name in tensors.keys()}, strict=False)  # noqa: SIM118
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise RunError(f"{weights}: does not hold the weights of this model: {reason(error)}.") from None
    return module.eval()


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Its weights by name, of tied ones the first."""
    first: dict[int, str] = {}
    tensors = module.state_dict(keep_vars=True)
    for name, tensor in tensors.items():
        first.setdefault(id(tensor), name)
    return {name: tensors[name] for name in first.values()}
