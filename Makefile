# MnemoLite: `make index REPO=<path or URL>` and `make test` work from a bare clone.

.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
REPO ?= .
# a package index with torch's CPU build, for Linux on x86-64 (README, "Installing")
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
# two `make` at once must not build one environment together
LOCK := $(if $(shell command -v flock),flock .venv.lock)

.PHONY: help setup setup-dev index up down test chaos rabbitmq check format bench clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## prepare .venv with `mnemo` in it
	@$(LOCK) $(MAKE) --silent --no-print-directory $(VENV)/.installed

setup-dev: ## the same with the tools of development
	@$(LOCK) $(MAKE) --silent --no-print-directory $(VENV)/.installed-dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: MnemoLite needs Python 3.11 or newer; try: make setup PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "make: python cannot make environments; on Debian or Ubuntu: apt install python3-venv"; \
	       rm -rf $(VENV); exit 2; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing (a minute or two, once)"
	@$(if $(TORCH_INDEX),$(PIP) --index-url "$(TORCH_INDEX)" torch)
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) -e '.[dev]'
	@touch $@

index: setup ## index REPO (a path or a URL) and search it
	@$(BIN)/mnemo index --sample "$(REPO)"

up: setup ## start the embedded servers and workers
	@$(BIN)/mnemo up

down: setup ## stop them
	@$(BIN)/mnemo down

test: setup-dev ## run every test
	@$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile

chaos: setup-dev ## break everything, for about half an hour (docs/reliability.md)
	@$(BIN)/pytest --hypothesis-profile=thorough tests/integration/schema/test_ledger_properties.py \
	  tests/integration/pipeline/test_pipeline_properties.py
	@$(BIN)/python -m tests.chaos.campaign

rabbitmq: setup-dev ## install RabbitMQ (Debian, Ubuntu) and test with it as the broker
	@tests/rabbitmq/install
	@$(BIN)/pytest tests/rabbitmq

check: setup-dev ## lint and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup-dev ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup-dev ## measure the pipeline (docs/benchmarks.md)
	@$(BIN)/python -m bench.pipeline

clean: ## remove the environment and caches
	rm -rf $(VENV) .venv.lock .mypy_cache .pytest_cache .ruff_cache
