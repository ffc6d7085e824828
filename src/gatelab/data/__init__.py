"""From a sentiment CSV to batches, one module for each step: fetch, read, tokenize, split, prepare, batch."""
