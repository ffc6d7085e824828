"""The Hugging Face side of benchmarks/ingest.py: from a CSV to the first batch with ``datasets`` and ``tokenizers``.

Runs in an environment of requirements-datasets.txt; arguments: the CSV with text and label, an unfitted tokenizer.json with
gatelab's rules, a folder for the cache, the seed of a random split. Prints seconds, with and without imports, and peak memory.
"""

import json
import os
import resource
import sys
import time

CHUNK, MAX_LENGTH, BATCH_SIZE = 20_000, 256, 32


def main():
    start = time.perf_counter()
    os.environ["HF_HUB_OFFLINE"], os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1", "1"
    import numpy as np
    from datasets import load_dataset
    from tokenizers import Tokenizer, trainers

    imported = time.perf_counter()
    file, rules, cache_dir, seed = sys.argv[1:5]
    data = load_dataset("csv", data_files=file, split="train", cache_dir=cache_dir).select_columns(["text", "label"])
    data = data.class_encode_column("label").train_test_split(test_size=0.2, seed=int(seed))
    train = data["train"].train_test_split(test_size=0.125, seed=int(seed))["train"]
    tokenizer = Tokenizer.from_file(rules)
    trainer = trainers.WordLevelTrainer(
        vocab_size=20_000, min_frequency=2, special_tokens=["<pad>", "<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator((rows["text"] for rows in train.iter(CHUNK)), trainer)

    def encode(rows):
        encoded = tokenizer.encode_batch_fast(rows["text"], add_special_tokens=False)
        return {"tokens": [encoding.ids[:MAX_LENGTH] for encoding in encoded]}

    data = data.map(encode, batched=True, batch_size=CHUNK, remove_columns="text")
    rows = data["train"].shuffle(seed=int(seed))[:BATCH_SIZE]["tokens"]
    batch = np.zeros((BATCH_SIZE, max(map(len, rows))), dtype=np.int64)
    for row, tokens in enumerate(rows):
        batch[row, : len(tokens)] = tokens
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": end - start, "without_import": end - imported, "peak_gib": peak}))


main()
