# The commands of this project. Each sets up .venv first, and again only when a pin has changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

# A pool of threads in each of several processes only makes them wait for one another.
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test check fix docs clean

help:
	@echo "make demo    draw pictures, let the embedded models talk about them and paint (into demo/)"
	@echo "make test    run all tests"
	@echo "make check   lint, formatting and types"
	@echo "make fix     mend what lint and formatting can mend"
	@echo "make docs    build the documentation (docs/_build/html) and run its examples"
	@echo "make clean   remove what these commands made, .venv included"

.venv/.installed: pyproject.toml constraints.txt
	@echo "setting up .venv; the first time this takes some minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "no virtual environment; on Debian: apt install python3-venv"; rm -rf .venv; exit 1; }
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

.venv/.docs: .venv/.installed
	@$(PIP) install -c constraints.txt -e '.[docs]'
	@touch $@

demo: .venv/.installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh demo

test: .venv/.installed
	$(BIN)/python -m pytest -n 2

check: .venv/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fix: .venv/.installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv/.docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/sphinx-build -W -q -b doctest docs docs/_build/doctest
	@echo "docs/_build/html/index.html"

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/_build demo dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
