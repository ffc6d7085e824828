"""What the commands of the tests need, imported once into the process from which they are forked."""

# ruff: noqa: F401 -- imported to be there

import gc
import os

import sklearn.feature_extraction.text
import sklearn.linear_model

import gatelab.cli
import gatelab.compare
import gatelab.data.prepare
import gatelab.fit
import gatelab.gates
import gatelab.learning.baseline
import gatelab.learning.build
import gatelab.predict
import gatelab.record
import gatelab.reports.compare
import gatelab.reports.page
import gatelab.reports.sweep
import gatelab.runs.checkpoint
import gatelab.train
from gatelab.runs.provenance import installed_packages

_, _, others = os.environ.pop("PYTHONPATH").partition(os.pathsep)  # what led here is not for the commands
if others:
    os.environ["PYTHONPATH"] = others
installed_packages()  # remembered
gc.freeze()  # what was imported is never looked at for garbage, so that a fork stays small and gc.collect quick
