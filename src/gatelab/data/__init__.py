"""From a sentiment CSV to batches, one module for each step: fetch, read, split, tokenize, prepare, batch."""
