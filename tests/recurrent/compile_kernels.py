"""Compile both kernels to machine code for devices that need not be here; one line a kernel: what it is, shared memory.

python tests/recurrent/compile_kernels.py
"""

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from gatelab.recurrent import Cell, kernels
from gatelab.recurrent.cuda import Launch, choose_tiles

CELLS = {
    "plain": Cell(),
    "janet": Cell(coupled="forget", coupling_shift=1.0, output_gate=False, output_activation="identity"),
    "all": Cell(gate_recurrence=True, peepholes=True, layer_norm=True),
}
DTYPES = {"*fp32": torch.float32, "*bf16": torch.bfloat16}
IN_THE_DTYPE_OF_PRODUCTS = ("a", "U", "V", "hs", "opened", "da", "d_recurrent", "d_states")
NUMBERS = {"counters": "*i32", "lengths": "*i32", "B": "i32", "T": "i32", "begin": "i32", "end": "i32", "shift": "fp32"}
CAPABILITY_AND_SHAPE = [(80, 16, 64), (90, 64, 256)]  # (·, B, H): one program a tile of rows, and several that meet

for title, cell in CELLS.items():
    for capability, B, H in CAPABILITY_AND_SHAPE:
        for kind in DTYPES:
            noisy = title == "all"
            tiles = choose_tiles(B, H, 108)
            launch = Launch(
                cell, tiles, B, 32, H, DTYPES[kind], torch.device("cuda"), ragged=noisy, masked=noisy,
                zoneout_hidden=noisy, zoneout_cell=noisy,
            )  # fmt: skip
            meeting = tiles.grid(B, H)[0] > 1
            constants = launch.constants(tiles.depth, meeting)
            for kernel in (kernels.forward_kernel, kernels.backward_kernel):
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
