"""Language modelling: the next token of a running text. Streams of tokens, perplexity, n-gram baselines, generated text."""
