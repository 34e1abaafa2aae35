# Every target sets up what it needs, quietly the second time.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sam
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
	@$(BIN)/uv pip install --quiet --python .localaws/bin/python --require-hashes --no-deps --compile-bytecode \
		-r requirements/local-aws.txt
	@touch $@

.lambda/.installed: $(BIN)/uv requirements/lambda-runtime.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .lambda
	@$(BIN)/uv pip install --quiet --python .lambda/bin/python --require-hashes --no-deps --compile-bytecode \
		-r requirements/lambda-runtime.txt
	@touch $@

.docs/.installed: $(BIN)/uv requirements/docs.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .docs
	@$(BIN)/uv pip install --quiet --python .docs/bin/python --require-hashes --no-deps -r requirements/docs.txt
	@touch $@

.checkov/.installed: $(BIN)/uv requirements/checkov.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .checkov
	@$(BIN)/uv pip install --quiet --python .checkov/bin/python --require-hashes --no-deps -r requirements/checkov.txt
	@touch $@

.audit/.installed: $(BIN)/uv requirements/audit.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .audit
	@$(BIN)/uv pip install --quiet --python .audit/bin/python --require-hashes --no-deps -r requirements/audit.txt
	@touch $@

.PHONY: setup weights
setup: $(VENV)/.installed .localaws/.installed .lambda/.installed weights ## Set up the environments and the weights

weights: $(VENV)/.installed
	@$(BIN)/python layers/detection/fetch_weights.py

# The artefacts of the deployment target, or with HOST=1 those of this machine: for the local stack and the emulator. The
# tests have those for Lambda's arm64 beside them.
TARGET := $(if $(HOST),host,lambda)
ARTEFACTS_lambda := .aws-sam/build
ARTEFACTS_arm64 := .aws-sam/arm64
ARTEFACTS_host := .aws-sam/host
# The processor of the deployment target (docs/deploy.md).
ARCH ?= x86_64
ARCH_lambda := $(ARCH)
ARCH_arm64 := arm64
ARCH_host := $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
PARTS := template.yaml layers/artefact.mk $(shell find layers functions -type f \( -name '*.py' -o -name '*.txt' -o -name '*.json' -o -name Makefile \
	-o -name '*.tflite' -o -name '*.npz' -o -name '*.toml' -o -name '*.yaml' -o -name '*.html' \) -not -path '*/__pycache__/*')

.PHONY: build
build: .aws-sam/$(TARGET).built ## Build the functions and layers (HOST=1: for this machine)

# SAM's cache knows a layer's own folder alone: what else goes into one empties it.
.PRECIOUS: .aws-sam/%.cache/.fresh .aws-sam/%.arch
.aws-sam/%.cache/.fresh: layers/artefact.mk $(VENV)/.installed .aws-sam/%.arch
	@rm -rf $(@D) && mkdir -p $(@D) && touch $@

.PHONY: FORCE
.aws-sam/%.arch: FORCE
	@mkdir -p $(@D); echo $(ARCH_$*) | cmp -s - $@ || echo $(ARCH_$*) >$@

# What is built runs on one processor alone, so its template offers no other: CloudFormation refuses one from an earlier answer.
.aws-sam/%.built: $(PARTS) .aws-sam/%.cache/.fresh | weights
	@for profile in $(wildcard layers/detection/screentest/detection/profiles/*.toml layers/detection/screentest/detection/profiles/*.json); \
		do $(BIN)/screentest rules --profile $$profile >/dev/null || exit; done
	@echo "building $(ARTEFACTS_$*)"
	@TARGET=$(filter host lambda,$(subst arm64,lambda,$*)) ARCH=$(ARCH_$*) $(SAM) build --template template.yaml --build-dir $(ARTEFACTS_$*) --cached \
		--cache-dir .aws-sam/$*.cache --parameter-overrides Architecture=$(ARCH_$*) >.aws-sam/$*.log 2>&1 || { cat .aws-sam/$*.log; exit 1; }
	@sed -i.bak -e '/^  Architecture:$$/,/^  [A-Z]/{s/Default: .*/Default: $(ARCH_$*)/;/^ *- \(x86_64\|arm64\)$$/{/- $(ARCH_$*)$$/!d;};}' \
		$(ARTEFACTS_$*)/template.yaml && rm $(ARTEFACTS_$*)/template.yaml.bak
	@grep -h 'without bytecode' .aws-sam/$*.log || true
	@touch $@

# For the tests of what is deployed within Lambda's limits, on each processor; needs apt-get of Debian.
.lambda-%/.installed: requirements/lambda_root.sh requirements/lambda-runtime.txt $(VENV)/.installed
	@requirements/lambda_root.sh $* $(@D) .lambda-$(ARCH_host)
	@touch $@
.lambda-$(if $(filter arm64,$(ARCH_host)),x86_64,arm64)/.installed: .lambda-$(ARCH_host)/.installed

.PHONY: cage
cage: .lambda-x86_64/.installed .lambda-arm64/.installed .aws-sam/lambda.built .aws-sam/arm64.built ## Roots and artefacts for tests within Lambda's limits

HOST_BUILD := .aws-sam/host.built
.PHONY: demo up invoke
demo: setup $(HOST_BUILD) ## Screen real pictures on the local stack (PHOTOS=folder: your own)
	@$(BIN)/screentest demo $(if $(PHOTOS),--photos '$(PHOTOS)')

# On a terminal it gets a process group of its own, so that Ctrl-C reaches it alone and make reports its exit status.
up: setup $(HOST_BUILD) ## Run the local stack until Ctrl-C (ARGS="--port N --page-port N --cors-origin ORIGIN")
	@if [ -t 0 ]; then set -m; $(BIN)/screentest up $(ARGS); exit $$?; else exec $(BIN)/screentest up $(ARGS); fi

invoke: setup $(HOST_BUILD) ## Run the built function on one event: EVENT=events/x.json
	@$(BIN)/python -m screentest.artefact '$(or $(EVENT),$(error which event? make invoke EVENT=events/x.json))'

# BUCKET must be in the region of the stack: Lambda reads its code there.
.PHONY: package
package: build ## Package for other ways of deployment: BUCKET=name [PREFIX=path] [UPLOAD=1]
	@$(BIN)/python -m screentest.stack.package --bucket '$(or $(BUCKET),$(error which bucket? make package BUCKET=name))' \
		--prefix '$(PREFIX)' $(if $(UPLOAD),--upload)

.PHONY: wheel
wheel: setup ## Build and check what `pip install` gets: dist/*.whl and the source distribution
	@rm -rf dist
	@$(BIN)/python -m hatchling build -d dist
	@$(BIN)/twine check --strict dist/*

.PHONY: docs
docs: setup .docs/.installed ## Build the documents as a site: build/site/html
	@$(BIN)/python docs/site/build.py

.PHONY: test check bench soak fuzz deploy
test: setup $(HOST_BUILD) .aws-sam/lambda.built ## Run the test suite (ARGS=... for pytest)
	@$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: setup .checkov/.installed ## Format, lint, types, template, workflows
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(SAM) validate --lint --template template.yaml
	@$(BIN)/cfn-lint --template template.yaml --regions ALL_REGIONS
	@$(BIN)/python tests/template/scan.py
	@.checkov/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.checkov/bin/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
	@.checkov/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@.checkov/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@.checkov/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@.checkov/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	@.checkov/bin/zizmor --quiet --offline --no-progress .github action.yml

bench: setup $(HOST_BUILD) ## Run the benchmarks, each beside what it is compared with
	@set -e; for benchmark in $(filter-out benchmarks/soak.py,$(wildcard benchmarks/[a-z]*.py)); do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

soak: setup $(HOST_BUILD) ## Ten thousand uploads with every kind of trouble (ARGS="--uploads N --seed N")
	@$(BIN)/python benchmarks/soak.py $(ARGS)

fuzz: setup $(HOST_BUILD) ## Full-size fuzzing
	@SCREENTEST_FULL=1 $(BIN)/pytest tests/fuzz $(ARGS)

# Answers are remembered in a file of your own, which begins as a copy of samconfig.toml: `git pull` never meets them.
deploy: build ## Deploy to AWS, asking for the parameters (ARCH=arm64: on that processor)
	@test -f samconfig.local.toml || cp samconfig.toml samconfig.local.toml
	@$(SAM) deploy --guided --config-file '$(CURDIR)/samconfig.local.toml'

# Its own exit status is 1 for advisories and 2 where pins were not audited; make's is 2 for both.
.PHONY: audit
audit: $(VENV)/.installed .audit/.installed ## Ask for known advisories about what is locked
	@$(BIN)/python requirements/audit.py $(ARGS)

.PHONY: lock
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: $(BIN)/uv ## Resolve the locked dependencies anew
	$(LOCK) layers/screening/requirements.in -o layers/screening/requirements.txt
	$(LOCK) --no-deps layers/detection/requirements.in -o layers/detection/requirements.txt
	$(LOCK) requirements/local-aws.in -o requirements/local-aws.txt
	$(LOCK) -c layers/screening/requirements.txt -c layers/detection/requirements.txt requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/lambda-runtime.in -o requirements/lambda-runtime.txt
	$(LOCK) requirements/checkov.in -o requirements/checkov.txt
	$(LOCK) requirements/docs.in -o requirements/docs.txt
	$(LOCK) requirements/audit.in -o requirements/audit.txt
	$(LOCK) requirements/bootstrap.in -o requirements/bootstrap.txt
