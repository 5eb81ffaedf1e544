# Five commands. Each sets up its own virtual environment first; continuous integration calls the same ones.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: audit test check bench docs

audit: $(VENV)/.installed ## the main job, on an embedded data set
	$(BIN)/stealproof audit

test: $(VENV)/.installed-dev ## every fast test; those of evidence must take every branch
	$(BIN)/python -m pytest -n auto --dist loadfile --ignore tests/evidence
	$(BIN)/python -m pytest -n auto --dist loadfile tests/evidence --cov=stealproof.evidence --cov-branch --cov-fail-under=100

check: $(VENV)/.installed-dev ## format, lint, types, layers, generated documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.installed-dev ## speed and memory, as ratios in one run
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

docs: $(VENV)/.installed-dev ## the generated pages
	$(BIN)/python docs/generate.py

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	touch $@
