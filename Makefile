# make train · make test · make check. Each sets up what it needs (.venv) the first time and starts at once afterwards.
# Another Python: make train PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check --constraint constraints.txt
COMPILE := $(BIN)/python -m compileall -qq -j 0 .venv/lib || true# on all cores, where pip takes one; packages hold files for other Pythons
NEEDED := .venv/.ready# by training
DEVELOPED := .venv/.ready-dev# and by tests and checks

.PHONY: train test test-long check setup audit
train: $(NEEDED)
	$(BIN)/gatelab train $(ARGS)

test: $(DEVELOPED)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long" $(ARGS)

test-long: $(DEVELOPED)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m long $(ARGS)

check: $(DEVELOPED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Known vulnerabilities of what constraints.txt pins, from PyPI; one that PyPI does not answer for is an error, too.
audit: $(NEEDED)
	@test -x .venv/audit/bin/pip-audit || { $(BIN)/python -m venv .venv/audit && .venv/audit/bin/pip install -qq --disable-pip-version-check pip-audit; }
	.venv/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement constraints.txt

setup: $(DEVELOPED)

$(NEEDED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' \
	  || { echo "gatelab needs Python 3.10 to 3.14; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing what training needs into .venv, once; PyTorch is most of it …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@$(COMPILE)
	@touch $@

$(DEVELOPED): $(NEEDED)
	@echo "Installing what tests and checks need …"
	@$(PIP) --editable ".[dev]"
	@$(COMPILE)
	@touch $@
