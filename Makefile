# SPDX-License-Identifier: Apache-2.0
# Everything starts from nothing: the first target that needs it makes .venv and installs pinned dependencies.
# The first interpreter that runs; `make PYTHON=... setup` names another.
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c "" 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
STAMP := .venv/.installed

.PHONY: mine test test-all setup docs bench check format results clean

mine: setup  ## from a clone to a month of mining: ends in runs/ryugu-month/report.html
	$(BIN)/stope mine

test: setup  ## the tests, without the long ones
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not gpu and not network" tests

test-all: setup  ## all tests, the long ones included
	$(BIN)/python -m pytest -q -m "not gpu and not network" tests

setup: $(STAMP)  ## .venv with pinned dependencies, torch first

# What pyproject.toml asks for, the tools included, one requirement a line.
WANTED := import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); q = p["project"]; \
	print(*p["build-system"]["requires"], *q["dependencies"], *sum(q["optional-dependencies"].values(), []), sep="\n")

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "stope needs Python 3.11 or newer: make PYTHON=/path/to/python3 setup"; exit 2; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	$(BIN)/python -c '$(WANTED)' > .venv/wanted.txt
	$(PIP) --constraint constraints.txt --requirement .venv/wanted.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $(STAMP)

check: setup  ## lint, format, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup  ## format, and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup  ## the documentation, warnings as errors, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: setup  ## every claim of speed, JSON into runs/bench
	mkdir -p runs/bench
	$(BIN)/python benchmarks/world.py --json > runs/bench/world.json
	$(BIN)/python benchmarks/train.py --json > runs/bench/train.json
	$(BIN)/python benchmarks/flight.py --json > runs/bench/flight.json
	$(BIN)/python benchmarks/fleet.py --json > runs/bench/fleet.json

results: setup  ## figures and pictures of README and docs, made anew
	$(BIN)/python benchmarks/results.py
	$(BIN)/python docs/tables.py

clean:  ## what was installed and built, not your runs
	rm -rf .venv site build dist .pytest_cache .ruff_cache .hypothesis
