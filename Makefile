# `make estimate` installs the package and answers the question it was made for.
# `make test` installs everything the tests need and runs them all.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: estimate test lint types clean

estimate: $(VENV)/.installed
	$(BIN)/estimate --model vgg16 --hw hc3 --epochs 100

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/codespell

types: $(VENV)/.installed-dev
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . && touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[all,test,dev]' --constraint constraints.txt
	touch $@ $(VENV)/.installed
