# make train · make test · make check. Each sets up what it needs (.venv) the first time and starts at once afterwards.
# Another Python: make train PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: train test check setup
train: $(READY)
	$(BIN)/gatelab train $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "gatelab needs Python 3.10 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)
