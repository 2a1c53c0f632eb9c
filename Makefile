# A fresh clone needs Python 3.11 or newer with venv, make, and a package registry. Everything is installed into .venv.

VENV := .venv
BIN := $(VENV)/bin
RUNS ?= runs
MINUTES ?= 10

# The first Python on the PATH that is new enough and can make an environment; `make PYTHON=...` chooses another.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
endif

KERNELS := $(wildcard src/regard/kernels/cpp/*)
REASON := src/regard/kernels/_cpu.txt
PIP := $(BIN)/python -m pip install --disable-pip-version-check
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q

.DEFAULT_GOAL := help
.PHONY: help demo test quick examples test-long fuzz check lint format docs serve-docs surface clean

help: ## Print this list
	@echo "regard: visual attention for PyTorch"
	@sed -n 's/^\([a-z-]*\):.*## /  make \1@/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "%-20s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed ## Compare attention mechanisms on real images and print where the report is (under 7 minutes)
	@$(BIN)/regard compare --out $(RUNS)/demo

test: $(VENV)/.tested ## Run the tests
	@$(TEST) $(ARGS)

quick: $(VENV)/.tested ## Run the tests that neither capture graphs nor run whole programs
	@$(TEST) -m "not graph and not e2e and not example and not long" $(ARGS)

examples: $(VENV)/.tested ## Train small networks and run the pages that train
	@$(TEST) -m example $(ARGS)

test-long: $(VENV)/.tested ## Run what `make test` shows on representatives for everything, in 20 minutes (SEED=)
	@$(TEST) -m long --minutes 20 --shuffle $(or $(SEED),$(shell date +%s)) $(ARGS)

fuzz: $(VENV)/.tested ## Search for faults with random inputs and options (MINUTES=10 SEED=)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.attention.fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)

check: lint docs test ## Run what must pass before a change goes in: style, types, imports, docs, tests

lint: $(VENV)/.developed ## Check style, types and import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.developed ## Put the code into the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.developed ## Build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

serve-docs: $(VENV)/.developed ## Show the documentation in a browser while you write it
	@$(BIN)/mkdocs serve

surface: $(VENV)/.tested ## Write the public names and signatures anew, after a wanted change
	@$(BIN)/python -m tests.contract.surface

clean: ## Remove what was built, but not .venv and not runs/
	@rm -rf build dist site src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Each stamp says that an environment holds what pyproject.toml asks for, so that nothing is installed twice.
$(VENV)/.made:
	@if [ -z "$(PYTHON)" ]; then \
		echo "regard needs Python 3.11 or newer with venv and ensurepip, and found none on the PATH." >&2; \
		echo "Install it (on Debian and Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$("$(PYTHON)" --version 2>&1); regard needs Python 3.11 or newer: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) lacks venv or ensurepip (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.setuptools: $(VENV)/.made
	$(PIP) --quiet "setuptools>=77"
	@touch $@

# The kernels in C++ are built against the PyTorch that is there, so it comes first.
$(VENV)/.torch: pyproject.toml $(VENV)/.setuptools
	@echo "Installing PyTorch and the rest; the first time this takes a few minutes and about 6 GB."
	$(PIP) --quiet $$(sed -n 's/^ *"\(torch\(vision\)\{0,1\}>=[0-9.]*\)",/\1/p' pyproject.toml)
	@touch $@

$(VENV)/.installed: pyproject.toml setup.py $(KERNELS) $(VENV)/.torch
	$(PIP) --quiet --no-build-isolation -e ".[text]"
	@! test -s $(REASON) || echo "The kernels in C++ are missing: $$(cat $(REASON))" >&2
	@touch $@

$(VENV)/.tested: pyproject.toml $(VENV)/.installed
	$(PIP) --quiet --no-build-isolation -e ".[test]"
	@touch $@

$(VENV)/.developed: pyproject.toml $(VENV)/.tested
	$(PIP) --quiet --no-build-isolation -e ".[dev]"
	@touch $@
