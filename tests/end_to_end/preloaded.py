"""What the commands of the tests need, imported once into the process from which they are forked."""

# ruff: noqa: F401 -- imported to be there

import contextlib
import gc
import os
from unittest import mock

import matplotlib.backends.backend_pdf
import matplotlib.backends.backend_svg
import sklearn.feature_extraction.text
import sklearn.linear_model
import wandb

import gatelab.cli
import gatelab.commands.compare
import gatelab.commands.gates
import gatelab.commands.predict
import gatelab.commands.train
import gatelab.config.model_choice
import gatelab.data.module
import gatelab.data.prepare
import gatelab.data.pretrained
import gatelab.data.sample
import gatelab.reports.analysis.comparison
import gatelab.reports.charts.figures
import gatelab.reports.pages.run_page
import gatelab.reports.pages.sweep_page
import gatelab.reports.terminal.result
import gatelab.tasks.classification.baselines
import gatelab.tasks.classification.classifier
import gatelab.tasks.classification.symptoms
import gatelab.tasks.classification.task
import gatelab.tasks.sequence.build_model
import gatelab.tasks.sequence.transfer
import gatelab.trackers.wandb
import gatelab.training.checkpoint
import gatelab.training.finish
import gatelab.training.fit
import gatelab.training.ranks
import gatelab.training.run
from gatelab.reports.pages.html import environment
from gatelab.runs.provenance import installed_packages
from gatelab.trackers.mlflow import ENVIRONMENT

_, _, others = os.environ.pop("PYTHONPATH").partition(os.pathsep)  # what led here is not for the commands
if others:
    os.environ["PYTHONPATH"] = others
installed_packages()  # remembered
gatelab.commands.train.compose()  # Hydra looks for plugins once, and its parsers learn
for template in environment().list_templates():
    environment().get_template(template)
with contextlib.suppress(ImportError), mock.patch.dict(os.environ, ENVIRONMENT):
    import mlflow.store.tracking.sqlalchemy_store
    from mlflow.tracking import MlflowClient
gc.freeze()  # what was imported is never looked at for garbage, so that a fork stays small and gc.collect quick
