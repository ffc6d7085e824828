"""Compile kernels to machine code for devices that need not be here; one line a kernel: what it is, shared memory.

python tests/recurrent/compile_kernels.py
"""

from typing import Any

import torch
import triton
from example_cells import NoProduct, SecondProduct, TwoStates
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from gatelab.recurrent import cells
from gatelab.recurrent.cells import LSTM
from gatelab.recurrent.compiler import build_plan
from gatelab.recurrent.cuda import Launch, build_kernels, choose_tiles

JANET = LSTM(coupled="forget", coupling_shift=1.0, output_gate=False, output_activation="identity")
NOISE = {"zoneout_hidden": True, "zoneout_cell": True}
CELLS: dict[str, tuple[Any, dict[str, bool]]] = {
    "plain": (LSTM(), {}),
    "janet": (JANET, {}),
    "all": (LSTM(gate_recurrence=True, peepholes=True), {"layer_norm": True, **NOISE}),
    "two states": (TwoStates(), {"layer_norm": True, **NOISE}),
    "no product": (NoProduct(), {}),
    "second product": (SecondProduct(), NOISE),
    **{name: (getattr(cells, name)(), {}) for name in cells.__all__ if name != "LSTM"},
}
DTYPES = {"*fp32": torch.float32, "*bf16": torch.bfloat16}
IN_THE_DTYPE_OF_PRODUCTS = ("a", "U", "U_inner", "V", "opened", "da", "d_recurrent")
NUMBERS = {"counters": "*i32", "lengths": "*i32", "B": "i32", "T": "i32", "begin": "i32", "end": "i32"}
CAPABILITY_AND_SHAPE = [(80, 16, 64), (90, 64, 256)]  # (·, B, H): one program a tile of rows, and several that meet


def kinds(title: str, capability: int) -> list[str]:
    """All of the LSTM, one of the examples for each device, and one of every other shipped cell."""
    if isinstance(CELLS[title][0], LSTM):
        return list(DTYPES)
    if capability == 90:
        return ["*bf16"]
    return [] if title in cells.__all__ else ["*fp32"]


for title, (cell, settings) in CELLS.items():
    kernels = build_kernels(build_plan(cell, **settings), masked="zoneout_cell" in settings, ragged=bool(settings))
    for capability, B, H in CAPABILITY_AND_SHAPE:
        for kind in kinds(title, capability):
            tiles = choose_tiles(B, H, 108)
            launch = Launch(kernels, tiles, B, 32, H, DTYPES[kind], torch.device("cuda"))
            meeting = kernels.meets and tiles.grid(B, H)[0] > 1
            constants = launch.constants(tiles.depth, meeting)
            for kernel in (kernels.forward, kernels.backward):
                signature = {
                    name: "constexpr" if name in constants
                    else NUMBERS.get(name, kind if name in IN_THE_DTYPE_OF_PRODUCTS else "*fp32")
                    for name in kernel.arg_names
                }  # fmt: skip
                compiled = triton.compile(
                    ASTSource(kernel, signature, constexprs=constants),
                    target=GPUTarget("cuda", capability, 32),
                    options={"num_warps": tiles.num_warps, "launch_cooperative_grid": meeting},
                )
                assert len(compiled.asm["cubin"]) > 1000
                print(title, f"sm_{capability}", f"H={H}", kind, kernel.__name__, compiled.metadata.shared)
