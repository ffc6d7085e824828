"""Multi-label classification: any number of labels for each text. Its metrics, baselines, what is kept of the test rows."""
