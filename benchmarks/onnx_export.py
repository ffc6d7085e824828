"""Every shipped encoder, two layers in both directions, exported to ONNX and held against torch in onnxruntime.

    python benchmarks/onnx_export.py [ENCODER …]

Prints the largest difference of a probability for each; exit code 1 where one is not exported, or differs by more than 1e-5.
"""

import sys

import torch
from torch import nn

from gatelab.commands.train import compose
from gatelab.config.schema import CONF_DIR
from gatelab.errors import UserError
from gatelab.tasks.sequence.build_model import build_model
from gatelab.tasks.sequence.exported import exported_program, onnx_model


def main() -> int:
    failed = 0
    for name in sys.argv[1:] or sorted(file.stem for file in (CONF_DIR / "encoder").glob("*.yaml")):
        size = ["encoder.hidden_size=8", "encoder.num_layers=2", "encoder.bidirectional=true", "model.embedding_size=6"]
        config = compose([f"encoder={name}", *size])
        torch.manual_seed(0)
        module = build_model(dict(config.model), dict(config.encoder), vocab_size=30, num_classes=3)
        for parameter in module.parameters():  # no weight stays at a value, such as 0, where different equations agree
            nn.init.uniform_(parameter, -0.5, 0.5)
        try:
            program = exported_program(module)
            print(f"{name:24} {onnx_model(program, module, {})[1]:.1e}", flush=True)
        except UserError as error:
            failed += 1
            print(f"{name:24} {error}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
