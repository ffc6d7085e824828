"""Gate-level cells against torch's nn.LSTM, forward and backward, in one process, interleaved: medians as ratios.

python benchmarks/cells.py · --rounds 9 · --shapes 1 · --cells gated janet · --backend compiled · --ragged · --memory · --bf16
"""

import argparse
import ctypes
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab.commands.train import compose
from gatelab.config.build import build
from gatelab.config.schema import CONF_DIR
from gatelab.recurrent import GatedLSTM, LSTMEncoder, Recurrent

SHAPES = [  # T, B, E, H
    (28, 32, 128, 196),
    (32, 64, 128, 128),
    (64, 64, 128, 256),
    (64, 128, 256, 256),
    (200, 64, 128, 128),
    (64, 64, 256, 512),
]
NOT_A_STEP = ("forget_bias", "chrono", "orthogonal")  # choices that only start a cell otherwise


def make_cells(names: list[str] | None = None) -> dict[str, Callable[..., Recurrent]]:
    """What builds the layers of each gatelab train encoder=NAME that is computed gate by gate, from (E, H, backend)."""
    found = {}
    for file in sorted((CONF_DIR / "encoder").glob("*.yaml")):
        options = OmegaConf.to_container(compose([f"encoder={file.stem}"]).encoder, resolve=True)
        if file.stem not in NOT_A_STEP and "backend" in options and (names is None or file.stem in names):
            found[file.stem] = partial(make_layers, options)
    return found


def make_layers(options: dict[str, Any], E: int, H: int, backend: str) -> Recurrent:
    return build("encoder", {**options, "hidden_size": H, "backend": backend}, input_size=E).recurrent


def recurrent_blocks(layers: Recurrent) -> int:
    """The (H, H) products of a step: 4 of an LSTM."""
    cell = layers.cell
    return sum(seen != "x" for seen in cell.sees.values()) + len(cell.recurrent_gates) * len(cell.recurrent)


def wall_seconds(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def interleaved(
    calls: dict[str, Callable[[], Any]], rounds: int, measure: Callable[..., float] = wall_seconds, warm_up: int = 1
) -> dict[str, float]:
    """Median seconds of each call as ``measure`` has them; every round runs each of them once, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    for number in range(warm_up + rounds):
        for name, call in calls.items():
            taken = measure(call)
            if number >= warm_up:
                seconds[name].append(taken)
    gc.enable()
    return {name: statistics.median(values) for name, values in seconds.items()}


def step(module: nn.Module, x: Tensor, gradient: Tensor) -> Callable[[], None]:
    parameters = [x, *module.parameters()]

    def run() -> None:
        torch.autograd.grad(module(x)[0], parameters, gradient)

    return run


def compare_cells(shapes: list[tuple[int, ...]], rounds: int, names: list[str] | None, backend: str) -> None:
    """Times in those of nn.LSTM of the same shape, dense, float32: of a backend, and of the naive loop at the first shape.

    Beside the median over the shapes, the same per unit of recurrent work: a cell with k products of (H, H) is compared
    with k/4 of nn.LSTM.
    """
    cells = make_cells(names)
    closed: dict[str, Callable[..., nn.Module]] = {"nn.GRU": nn.GRU, "nn.RNN": nn.RNN}
    ratios: dict[str, list[float]] = {}
    naive: dict[str, float] = {}
    reference: list[float] = []
    blocks: dict[str, int] = {"nn.GRU": 3, "nn.RNN": 1}
    for number, (T, B, E, H) in enumerate(shapes):
        x, gradient = torch.randn(B, T, E, requires_grad=True), torch.randn(B, T, H)
        calls = {"nn.LSTM": step(nn.LSTM(E, H, batch_first=True), x, gradient)}
        calls |= {name: step(make(E, H, batch_first=True), x, gradient) for name, make in closed.items()}
        for name, make in cells.items():
            layers = make(E, H, "auto")
            blocks[name] = recurrent_blocks(layers)
            calls[name] = step(make(E, H, "auto" if layers.plan is None else backend), x, gradient)
            if number == 0:
                calls[f"naive {name}"] = step(make(E, H, "equations"), x, gradient)
        medians = interleaved(calls, rounds)
        reference.append(medians["nn.LSTM"])
        for name, seconds in medians.items():
            ratio = seconds / medians["nn.LSTM"]
            if name.startswith("naive "):
                naive[name.removeprefix("naive ")] = ratio
            else:
                ratios.setdefault(name, []).append(ratio)
    print(f"\ndense, float32, {torch.get_num_threads()} threads: times of nn.LSTM, forward and backward\n")
    titles = [f"{T},{B},{E},{H}" for T, B, E, H in shapes]
    print(f"{'cell':<22}" + "".join(f"{title:>15}" for title in titles) + f"{'median':>8}{'per work':>9}{'naive':>7}")
    print(f"{'nn.LSTM':<22}" + "".join(f"{f'{1e3 * seconds:.2f} ms':>15}" for seconds in reference))
    all_medians = []
    for name, row in ratios.items():
        if name == "nn.LSTM":
            continue
        median = statistics.median(row)
        by_work = f"{median * 4 / blocks[name]:.2f}" if blocks[name] else "–"
        loop = f"{naive[name]:.2f}" if name in naive else ""
        print(f"{name:<22}" + "".join(f"{ratio:>15.2f}" for ratio in row) + f"{median:>8.2f}{by_work:>9}{loop:>7}")
        if blocks[name] and name in cells:
            all_medians.append(median * 4 / blocks[name])
    print(f"\nper unit of recurrent work: median {statistics.median(all_medians):.2f}, largest {max(all_medians):.2f}")


def compare_ragged(data: Path, rounds: int, batches: int = 6) -> None:
    """Our encoders against a packed nn.LSTM at E 128, H 128, on batches of 32 rows with the lengths of real texts.

    Lengths are words between spaces, at most 400; batches are drawn at random (the packed one's usual case) or hold rows of
    similar lengths as gatelab's loader makes them.
    """
    import pandas as pd

    print("\nragged, float32: times of a packed nn.LSTM, forward and backward\n")
    files = {"GOP": ("gop_debate/Sentiment.csv.zip", "text"), "IMDB": ("imdb/imdb_train_25k.csv.gz", "review")}
    for name, (file, column) in files.items():
        if not (data / file).exists():
            print(f"{name}: no file {data / file}")
            continue
        texts = pd.read_csv(data / file, usecols=[column], dtype=str, nrows=20_000)[column].dropna()
        lengths = np.minimum(texts.str.split().str.len().to_numpy(), 400).clip(1)
        random = np.random.default_rng(141)
        for kind in ("random", "similar"):
            order = random.permutation(len(lengths)) if kind == "random" else np.argsort(lengths, kind="stable")
            starts = random.choice(len(lengths) // 32, batches, replace=False) * 32
            totals: dict[str, float] = {}
            for start in starts:
                for key, seconds in ragged_batch(torch.as_tensor(lengths[order[start : start + 32]]), rounds).items():
                    totals[key] = totals.get(key, 0.0) + seconds
            ratios = ", ".join(
                f"{key} {total / totals['packed']:.2f}" for key, total in totals.items() if key != "packed"
            )
            print(f"{name:<5} {kind:<8} mean length {lengths.mean():.0f}: {ratios}")


def ragged_batch(lengths: Tensor, rounds: int) -> dict[str, float]:
    E = H = 128
    B, T = len(lengths), int(lengths.max())
    x = torch.randn(B, T, E, requires_grad=True)
    gradient = torch.randn(B, H)
    last = (lengths - 1).clamp(min=0)

    def encoder_call(run: Callable[[], Tensor], parameters: list[Any]) -> Callable[[], None]:
        def call() -> None:
            states = run()
            torch.autograd.grad(states[torch.arange(B), last], [x, *parameters], gradient)

        return call

    packed = nn.LSTM(E, H, batch_first=True)

    def run_packed() -> Tensor:
        states, _ = packed(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        return pad_packed_sequence(states, batch_first=True)[0]

    ours = LSTMEncoder(E, H)
    calls = {
        "packed": encoder_call(run_packed, list(packed.parameters())),
        "LSTMEncoder": encoder_call(lambda: ours(x, lengths), list(ours.parameters())),
    }
    for backend in ("native", "fused"):
        gated = GatedLSTM(E, H, batch_first=True, backend=backend)
        calls[backend] = encoder_call(lambda gated=gated: gated.states(x, lengths), list(gated.parameters()))
    return interleaved(calls, rounds)


def count_memory(shape: tuple[int, ...]) -> None:
    """What autograd holds between forward and backward besides weights and input, in numbers a step, row and unit.

    Counted twice: by the sizes of the tensors that autograd saves, and by what is freed with the graph.
    """
    T, B, E, H = shape
    print(f"\nsaved for backward at T, B, E, H = {shape}: numbers a step, row and unit (H = 1)\n")
    for name, module in [("nn.LSTM", nn.LSTM(E, H, batch_first=True))] + [
        (f"{cell} {backend}", make(E, H, backend))
        for cell, make in make_cells(
            ["gated", "peephole", "full_gate_recurrence", "layer_norm", "janet", "zoneout"]
        ).items()
        for backend in ("fused", "equations")
    ]:
        x = torch.randn(B, T, E, requires_grad=True)
        own = {p.untyped_storage().data_ptr() for p in [x, *module.parameters()]}
        saved: dict[int, int] = {}

        def note(tensor: Tensor, own: set[int] = own, saved: dict[int, int] = saved) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = module(x)[0]
        del output
        gc.collect()
        print(
            f"{name:<26} {sum(saved.values()) / 4 / (T * B * H):>7.2f} counted, {resident(module, x) / 4 / (T * B * H):>7.2f} measured"
        )


def resident(module: nn.Module, x: Tensor, graphs: int = 8) -> float:
    """Bytes a graph by which the process grows while some graphs are held; what was freed before is given back first."""

    def pages() -> int:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    module(x)
    before = pages()
    held = [module(x)[0] for _ in range(graphs)]
    grown = pages() - before
    del held
    return grown / graphs


def compare_bf16(shapes: list[tuple[int, ...]], rounds: int) -> None:
    """bfloat16 autocast: time against nn.LSTM in float32, and the largest relative difference of outputs to float32."""
    print("\nbfloat16 autocast: times of nn.LSTM in float32 · ‖output − float32‖ / ‖float32‖\n")
    for T, B, E, H in shapes:
        x, gradient = torch.randn(T, B, E, requires_grad=True), torch.randn(T, B, H)
        plain = nn.LSTM(E, H)
        with torch.no_grad():
            exact = plain(x)[0]

        def cast(module: nn.Module, x: Tensor = x, gradient: Tensor = gradient) -> Callable[[], None]:
            def run() -> None:
                with torch.autocast("cpu", torch.bfloat16):
                    output = module(x)[0]
                torch.autograd.grad(output, [x, *module.parameters()], gradient.to(output.dtype))

            return run

        modules: dict[str, nn.Module] = {"nn.LSTM": plain}
        for backend in ("native", "fused", "equations"):
            modules[backend] = GatedLSTM(E, H, backend=backend)  # type: ignore[arg-type]
            modules[backend].load_state_dict(plain.state_dict())
        calls = {"float32": step(plain, x, gradient)} | {name: cast(module) for name, module in modules.items()}
        medians = interleaved(calls, rounds)
        line = []
        for name, module in modules.items():
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                output = module(x)[0].float()
            error = ((output - exact).norm() / exact.norm()).item()
            line.append(f"{name} {medians[name] / medians['float32']:.2f} · {error:.1e}")
        print(f"{f'{T},{B},{E},{H}':>16}  " + "   ".join(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="only the first so many")
    parser.add_argument("--cells", nargs="*", help="only these, by the names of their YAMLs")
    parser.add_argument("--backend", choices=["fused", "compiled"], default="fused", help="of the dense part")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    for part in ("dense", "ragged", "memory", "bf16"):
        parser.add_argument(f"--{part}", action="store_true", help=f"only this part: {part}")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(141)
    shapes = SHAPES[: options.shapes]
    data = Path(os.environ.get("GATELAB_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data")
    everything = not (options.dense or options.ragged or options.memory or options.bf16)
    print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")
    if options.dense or everything:
        compare_cells(shapes, options.rounds, options.cells, options.backend)
    if options.ragged or everything:
        compare_ragged(data, options.rounds)
    if options.memory or everything:
        count_memory(SHAPES[2])
    if options.bf16 or everything:
        compare_bf16(shapes, options.rounds)


if __name__ == "__main__":
    main()
