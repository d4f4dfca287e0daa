PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c .ci/constraints.txt

.PHONY: demo test lint bench clean help

help:
	@echo "make demo   install into $(VENV), train and compare every method on built-in photographs"
	@echo "make test   install into $(VENV), then lint, types, import order and tests"
	@echo "make bench  slow quality and speed measurements"

# `make demo` and `make test` need a Python and nothing else.
$(VENV)/installed: pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "degradekit needs Python 3.11 or newer; %s is %d.%d. Name another: make PYTHON=python3.12" % (sys.executable, v[0], v[1]))'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/degradekit preview --out demo/preview.png
	$(BIN)/benchmark run --methods all --profile quick --out demo/run

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -n 2

bench: $(VENV)/installed-dev
	$(BIN)/python docs/measure_performance.py

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache
