"""gatelab generate: text from a finished language model, printed as it is made."""

import random
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from gatelab.commands.predict import check_language_model, finished
from gatelab.errors import DataError
from gatelab.screen import errors


def generate(
    run: str, output_dir: Path, *, prompt: str, temperature: float, seed: int | None, length: int, allow_targets: Sequence[str] = ()
) -> None:  # fmt: skip
    """Print prompt and length further tokens. Raises RunError for a run that is no language model, DataError for a prompt that
    it cannot read."""
    import torch

    from gatelab.tasks.language_model.language_folder import load_language_model
    from gatelab.tasks.language_model.sampling import sample_ids

    folder = finished(run, output_dir)
    check_language_model(folder, allow_targets)
    module, tokenizer = load_language_model(folder.model, allow_targets)
    ids = tokenizer.encode(prompt).tolist()
    if tokenizer.unknown_id is not None and tokenizer.unknown_id in ids:
        unknown = next(
            part
            for part in (prompt if tokenizer.kind == "char" else prompt.split())
            if tokenizer.unknown_id in tokenizer.encode(part)
        )
        raise DataError(
            f"--prompt: the model's vocabulary has no '{unknown}'. Leave it out, or train with tokenizer=bytes or bpe."
        )
    seed = random.randrange(2**32) if seed is None else seed
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    print(prompt, end=" " if prompt and tokenizer.kind == "word" else "", flush=True)
    generator = torch.Generator().manual_seed(seed)
    drawn = sample_ids(
        module,
        [tokenizer.start_id, *ids],
        temperature=temperature,
        generator=generator,
        unknown_id=tokenizer.unknown_id,
    )
    started, num_tokens = time.monotonic(), 0
    for text in tokenizer.decoded(islice(drawn, length)):
        num_tokens += 1
        print(text, end="", flush=True)
    seconds = time.monotonic() - started
    print(flush=True)
    errors.print(
        f"{num_tokens:,} tokens in {seconds:.1f} s, {num_tokens / max(seconds, 1e-9):,.0f} tokens/s, seed {seed}",
        style="dim",
    )
