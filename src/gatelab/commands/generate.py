"""gatelab generate: text from a finished language model, printed as it is made."""

import random
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from gatelab.commands.predict import check_language_model, finished
from gatelab.errors import DataError
from gatelab.screen import errors, without_controls


def generate(
    run: str, output_dir: Path, *, prompt: str, temperature: float, seed: int | None, length: int, allow_targets: Sequence[str] = ()
) -> None:  # fmt: skip
    """Print prompt and length further tokens. Raises RunError for a run that is no language model, DataError for a prompt that
    it cannot read."""
    from gatelab.tasks.language_model.language_folder import load_language_model
    from gatelab.tasks.language_model.sampling import continued

    folder = finished(run, output_dir)
    check_language_model(folder, allow_targets)
    module, tokenizer = load_language_model(folder.model, allow_targets)
    seed = random.randrange(2**32) if seed is None else seed
    try:
        pieces = continued(module, tokenizer, prompt, temperature=temperature, seed=seed)
    except DataError as error:
        raise DataError(f"--prompt: {error}") from None
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    shown = without_controls if sys.stdout.isatty() else str  # a file gets them as they are
    print(shown(prompt), end=" " if prompt and tokenizer.kind == "word" else "", flush=True)
    started, num_tokens = time.monotonic(), 0
    for text in islice(pieces, length):
        num_tokens += 1
        print(shown(text), end="", flush=True)
    seconds = time.monotonic() - started
    print(flush=True)
    errors.print(
        f"{num_tokens:,} tokens in {seconds:.1f} s, {num_tokens / max(seconds, 1e-9):,.0f} tokens/s, seed {seed}",
        style="dim",
    )
