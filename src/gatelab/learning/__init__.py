"""The LightningModule, its metrics, and the linear baseline."""
