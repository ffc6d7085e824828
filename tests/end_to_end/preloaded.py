"""What the commands of the tests need, imported once into the process from which they are forked."""

# ruff: noqa: F401 -- imported to be there

import gc
import os

import sklearn.feature_extraction.text
import sklearn.linear_model

import gatelab.cli
import gatelab.commands.compare
import gatelab.commands.gates
import gatelab.commands.predict
import gatelab.data.prepare
import gatelab.reports.analysis.comparison
import gatelab.reports.pages.run_page
import gatelab.reports.pages.sweep_page
import gatelab.tasks.classification.baselines
import gatelab.tasks.sequence.build_model
import gatelab.training.checkpoint
import gatelab.training.finish
import gatelab.training.fit
import gatelab.training.run
from gatelab.runs.provenance import installed_packages

_, _, others = os.environ.pop("PYTHONPATH").partition(os.pathsep)  # what led here is not for the commands
if others:
    os.environ["PYTHONPATH"] = others
installed_packages()  # remembered
gc.freeze()  # what was imported is never looked at for garbage, so that a fork stays small and gc.collect quick
