# Every target sets up what it needs, quietly the second time.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export SAM_CLI_TELEMETRY := 0

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.installed: $(BIN)/uv requirements/dev.txt pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.localaws/.installed: $(BIN)/uv requirements/local-aws.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .localaws
	@$(BIN)/uv pip install --quiet --python .localaws/bin/python --require-hashes --no-deps -r requirements/local-aws.txt
	@touch $@

.PHONY: setup weights
setup: $(VENV)/.installed .localaws/.installed weights ## Set up the environments and the weights

weights: $(VENV)/.installed
	@$(BIN)/python layers/detection/fetch_weights.py

.PHONY: lock
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: $(BIN)/uv ## Resolve the locked dependencies anew
	$(LOCK) layers/screening/requirements.in -o layers/screening/requirements.txt
	$(LOCK) --no-deps layers/detection/requirements.in -o layers/detection/requirements.txt
	$(LOCK) requirements/local-aws.in -o requirements/local-aws.txt
	$(LOCK) -c layers/screening/requirements.txt -c layers/detection/requirements.txt requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/bootstrap.in -o requirements/bootstrap.txt
