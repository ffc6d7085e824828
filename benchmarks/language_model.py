"""Training a word language model beside PyTorch's word_language_model loop, in one process, interleaved: tokens a second and their ratio.

python benchmarks/language_model.py --text ptb.train.txt · --hidden 650 · --encoder gated peephole · --rounds 9 · --steps 10 · --generate · --data 10 100

Its settings: two layers, tied or untied, dropout 0.2 (--dropout) at input, between layers and output, 20 columns, windows of 35 tokens, SGD with
clipping at 0.25. With one thread (OMP_NUM_THREADS=1) processor time is measured, which others on the machine change less. Without --text the tokens are drawn at random from 10,000 words, which costs the same. --generate: instead how many characters
a second of processor time one text is continued by, with one layer of 512 units, 65 characters and one thread. --data 10 100: instead the
way from texts of so many megabytes to the first batch of characters, see text_ingest.py.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import text_ingest
from gatelab.commands.train import compose
from gatelab.tasks.language_model.language_folder import build_language_model
from gatelab.tasks.language_model.sampling import sample_ids
from gatelab.tasks.language_model.text_streams import StreamLoader, Window
from gatelab.tasks.language_model.text_tokenizer import words_of
from gatelab.training.run import resolve

COLUMNS, WINDOW, VOCABULARY = 20, 35, 10_000


class WordLanguageModel(nn.Module):
    """The model of pytorch/examples/word_language_model, written afresh: time first, dropout between the layers of one nn.LSTM."""

    def __init__(self, hidden: int, dropout: float, vocab_size: int = VOCABULARY) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocab_size, hidden)
        self.rnn = nn.LSTM(hidden, hidden, 2, dropout=dropout)
        self.decoder = nn.Linear(hidden, vocab_size)
        for weight in (self.encoder.weight, self.decoder.weight):
            nn.init.uniform_(weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, state = self.rnn(self.drop(self.encoder(tokens)), state)
        return F.log_softmax(self.decoder(self.drop(output)).flatten(0, 1), dim=1), state


def steps_of_loop(model: WordLanguageModel, windows: Iterator[Window], rate: float = 20) -> Callable[[], None]:
    """One step of its loop a call."""
    state: Any = None

    def step() -> None:
        nonlocal state
        window = next(windows)
        state = None if state is None else tuple(part.detach() for part in state)
        model.zero_grad()
        output, state = model(window.tokens.t().contiguous(), state)
        F.nll_loss(output, window.targets.t().reshape(-1)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for parameter in model.parameters():
            parameter.data.add_(parameter.grad, alpha=-rate)

    return step


def steps_of_ours(module: Any, windows: Iterator[Window], rate: float = 20) -> Callable[[], None]:
    optimizer = torch.optim.SGD(module.parameters(), lr=rate)
    state: Any = None

    def step() -> None:
        nonlocal state
        window = next(windows)
        losses, state = module.losses(window.tokens, window.targets, state)
        optimizer.zero_grad()
        losses.mean().backward()
        nn.utils.clip_grad_norm_(module.parameters(), 0.25)
        optimizer.step()

    return step


def make_ours(choice: str, hidden: int, dropout: float) -> Any:
    overrides = [
        f"encoder={choice}",
        f"encoder.hidden_size={hidden}",
        "encoder.num_layers=2",
        f"encoder.dropout={dropout}",
    ]
    settings = resolve(compose(["model=language_model", "model.tied=false", *overrides]))
    model = {**settings["model"], "input_dropout": dropout, "output_dropout": dropout}
    return build_language_model(model, settings["encoder"], vocab_size=VOCABULARY, start_id=0, unknown_id=None).train()


def windows_of(stream: Any) -> Iterator[Window]:
    loader = StreamLoader(stream, num_columns=COLUMNS, window=WINDOW)
    while True:
        yield from (window for window in loader if window.tokens.shape[1] == WINDOW)


def read_stream(text: str | None) -> Any:
    if text is None:
        return np.random.default_rng(0).integers(0, VOCABULARY, 500_000)
    with open(text, encoding="utf-8") as stream:
        words = words_of(stream.read())
    numbers = {word: number for number, word in enumerate(sorted(set(words)))}
    return np.array([numbers[word] for word in words]) % VOCABULARY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text")
    parser.add_argument("--hidden", type=int, default=200)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--encoder", nargs="+", default=["lstm", "gated", "peephole"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--generate", action="store_true")
    parser.add_argument("--data", type=float, nargs="+", metavar="MB")
    options = parser.parse_args()
    if options.data:
        text_ingest.compare(options.data)
        return
    if options.generate:
        print(f"{characters_a_second(options.rounds):,.0f} characters/s")
        return
    stream = read_stream(options.text)
    torch.manual_seed(0)
    loop = WordLanguageModel(options.hidden, options.dropout)
    runners = {"word_language_model": steps_of_loop(loop, windows_of(stream))}
    for name in options.encoder:
        module = make_ours(name, options.hidden, options.dropout)
        runners[name] = steps_of_ours(module, windows_of(stream))
    alone = torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(options.rounds + 1):  # the first to warm up
        for name, step in runners.items():
            began = clock()
            for _ in range(options.steps):
                step()
            if number:
                seconds[name].append(clock() - began)
    tokens = options.steps * COLUMNS * WINDOW
    print(
        f"2 × {options.hidden}, {COLUMNS} columns of {WINDOW}, {torch.get_num_threads()} threads, medians of {options.rounds} rounds"
        f"{' of processor time' if alone else ''}"
    )
    for name, found in seconds.items():
        ratio = statistics.median(
            first / second for first, second in zip(seconds["word_language_model"], found, strict=True)
        )
        print(f"{name:<22}{tokens / statistics.median(found):>10,.0f} tokens/s   {ratio:.2f} of the loop")
    share = softmax_seconds(options.hidden, clock) * options.steps / statistics.median(seconds["word_language_model"])
    print(f"softmax over {VOCABULARY:,} words, forward and backward: {share:.0%} of the loop's time")


def characters_a_second(rounds: int, hidden: int = 512, vocab_size: int = 65, length: int = 1000) -> float:
    """Of the fastest round, the first to warm up."""
    torch.set_num_threads(1)
    settings = resolve(compose(["model=language_model", f"encoder.hidden_size={hidden}"]))
    module = build_language_model(
        settings["model"], settings["encoder"], vocab_size=vocab_size, start_id=0, unknown_id=0
    ).eval()
    drawn, found = sample_ids(module, [1], temperature=0.8, generator=torch.Generator(), unknown_id=0), []
    for _ in range(rounds + 1):
        began = time.process_time()
        for _ in range(length):
            next(drawn)
        found.append(time.process_time() - began)
    return length / min(found[1:])


def softmax_seconds(hidden: int, clock: Callable[[], float]) -> float:
    """Of one window: the product with the matrix, the softmax and their gradients."""
    states, targets = (
        torch.randn(COLUMNS * WINDOW, hidden, requires_grad=True),
        torch.zeros(COLUMNS * WINDOW, dtype=torch.long),
    )
    decoder, found = nn.Linear(hidden, VOCABULARY), []
    for _ in range(5):
        began = clock()
        F.cross_entropy(decoder(states), targets).backward()
        found.append(clock() - began)
    return statistics.median(found)


if __name__ == "__main__":
    main()
