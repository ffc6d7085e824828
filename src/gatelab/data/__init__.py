"""From a sentiment CSV to batches, one module a step: fetch, read, split, tokenize, prepare, batch."""
