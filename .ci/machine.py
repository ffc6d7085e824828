"""What a run of the tests ran on, so that a failure on one machine can be understood on another."""

import os
import platform
import subprocess
import sys

import torch

from gatelab.recurrent.native import find_problem
from gatelab.runs.provenance import hardware

machine = hardware()
print(f"processor  {machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB")
print(f"system     {machine['system']}, Python {platform.python_version()}")
print(
    f"torch      {torch.__version__}, {machine['capability']}, {machine['threads']} threads, GPUs: {machine['gpus'] or 'none'}"
)
verbose = subprocess.run(
    [sys.executable, "-c", "import torch; torch.nn.LSTM(4, 4)(torch.ones(2, 2, 4))"],
    env={**os.environ, "ONEDNN_VERBOSE": "1"}, capture_output=True, text=True,
)  # fmt: skip
print(
    "oneDNN    ",
    *[line.partition("isa:")[2] for line in verbose.stdout.splitlines() if ",cpu,isa:" in line] or ["none"],
)
with torch.autocast("cpu", torch.bfloat16):
    print("bfloat16  ", find_problem("lstm", torch.ones(1)) or "torch's LSTM kernel can", flush=True)
