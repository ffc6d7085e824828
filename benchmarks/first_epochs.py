"""The validation perplexity after each of the first epochs beside PyTorch's word_language_model loop, with equal settings, for several seeds.

python benchmarks/first_epochs.py --train ptb.train.txt --validation ptb.valid.txt --epochs 2 --seeds 1 2

Its settings: two layers of 200 units, untied, dropout 0.2 at input, between layers and output, 20 columns, windows of 35 tokens, SGD with
rate 20, clipping at 0.25. Both read the same streams; ours is what gatelab train does, which leaves its runs in --output-dir. The first
weights of the softmax differ: ours are those of nn.Linear, the loop's uniform between -0.1 and 0.1.
"""

import argparse
import math
import statistics
import time
from typing import Any

import torch
from torch.nn import functional as F

from gatelab.commands.train import compose
from gatelab.runs.history import read_points
from gatelab.tasks.base import build_data
from gatelab.tasks.language_model.text_streams import StreamLoader
from gatelab.training.run import check, resolve, train
from language_model import COLUMNS, WINDOW, WordLanguageModel, steps_of_loop

HIDDEN, DROPOUT, RATE = 200, 0.2, 20.0
SIDES = ("gatelab", "loop")
EVALUATED_WINDOW = 512  # no number depends on it


def overrides_of(options: argparse.Namespace, seed: int) -> list[str]:
    return [
        "model=language_model", f"data.path={options.train}", f"data.validation_path={options.validation}", "data.split.test=0",
        f"data.batch_size={COLUMNS}", f"data.window={WINDOW}", "model.tied=false", f"model.input_dropout={DROPOUT}",
        f"model.output_dropout={DROPOUT}", f"encoder.hidden_size={HIDDEN}", "encoder.num_layers=2", f"encoder.dropout={DROPOUT}",
        "optimizer=sgd", f"optimizer.lr={RATE:g}", "optimizer.momentum=0", "trainer.gradient_clip_val=0.25", "trainer=cpu",
        f"trainer.max_epochs={options.epochs}", "callbacks=none", "tracker=none", "baseline=none", f"seed={seed}", "name=first_epochs",
        f"output_dir={options.output_dir}",
    ]  # fmt: skip


def perplexities_of_ours(overrides: list[str]) -> list[float]:
    run, _ = train(compose(overrides))
    points = read_points(run.metrics, run.metrics.stat().st_size)
    return [point.values["validation/perplexity"] for point in points if "validation/perplexity" in point.values]


def perplexities_of_loop(prepared: Any, seed: int, num_epochs: int) -> list[float]:
    torch.manual_seed(seed)
    model = WordLanguageModel(HIDDEN, DROPOUT, prepared.tokenizer.vocab_size)
    loader = StreamLoader(prepared.parts["train"], num_columns=COLUMNS, window=WINDOW)
    found = []
    for _ in range(num_epochs):
        model.train()
        step = steps_of_loop(model, iter(loader), RATE)  # from a fresh state
        for _ in range(len(loader)):
            step()
        found.append(perplexity_of_loop(model.eval(), prepared.parts["validation"]))
        print(f"loop, seed {seed}: validation perplexity {found[-1]:.2f}", flush=True)
    return found


@torch.inference_mode()
def perplexity_of_loop(model: WordLanguageModel, stream: Any) -> float:
    """On one unbroken stream."""
    total, state = 0.0, None
    for window in StreamLoader(stream, num_columns=1, window=EVALUATED_WINDOW):
        output, state = model(window.tokens.t(), state)
        total += F.nll_loss(output, window.targets.flatten(), reduction="sum").item()
    return math.exp(total / (len(stream) - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", choices=SIDES, help="train one of the two")
    parser.add_argument("--output-dir", default="outputs")
    options = parser.parse_args()
    config, task, _ = check(resolve(compose(overrides_of(options, options.seeds[0]))))
    prepared = build_data(config, task).prepared
    found: dict[str, list[list[float]]] = {side: [] for side in SIDES if options.only in (None, side)}
    for seed in options.seeds:
        for side, of_seeds in found.items():
            began = time.perf_counter()
            if side == "gatelab":
                of_seeds.append(perplexities_of_ours(overrides_of(options, seed)))
            else:
                of_seeds.append(perplexities_of_loop(prepared, seed, options.epochs))
            print(f"seed {seed}: {side} {time.perf_counter() - began:.0f} s", flush=True)
    for epoch in range(options.epochs):
        for name, of_seeds in found.items():
            values = [of_seed[epoch] for of_seed in of_seeds]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            shown = ", ".join(f"{value:.2f}" for value in values)
            print(f"epoch {epoch + 1}  {name:<8} {statistics.mean(values):.2f}{spread}   ({shown})")


if __name__ == "__main__":
    main()
