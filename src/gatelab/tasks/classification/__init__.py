"""Text classification: the LightningModule, its metrics, the linear baseline, what is kept of the test rows."""
