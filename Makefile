# Custom Lambda Runtime for Python. `make` lists what there is to do; `make run` and `make test` need Python only.

PYTHON ?= python3
HANDLER ?= hello.handler
TASK_ROOT ?= examples
EVENT ?= {"name": "Lambda"}
PORT ?= 9000
OPTIONS ?=
BYTECODE ?=
DOCKER ?= docker
EXPLORE_BASE ?= public.ecr.aws/lambda/provided:al2023
EXPLORE_CMD ?= /bin/bash
DOCKER_FLAGS ?=

# The event goes to the program through the environment, as it was typed: quotes, dollar signs and all.
override EVENT := $(value EVENT)
export EVENT

FUNCTION = --handler '$(HANDLER)' --task-root '$(TASK_ROOT)'
CONFORMANCE = .venv/conformance/bin/python
VENDORS = .venv/vendors/bin/python
LINT = .venv/tools/bin

.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name note; do printf '  make %-26s %s\n' "$$name" "$$note"; done
	@printf '\nVariables: HANDLER, TASK_ROOT, EVENT, OPTIONS, PYTHON, PORT, BYTECODE; for example\n'
	@printf '  make run HANDLER=hello.handler TASK_ROOT=examples EVENT='\''{"name": "Ada"}'\'' PYTHON=python3.13\n'

run: ## invoke HANDLER once with EVENT, as Lambda would
	@$(PYTHON) -m emulator run $(FUNCTION) --event "$$EVENT" $(OPTIONS)

serve: ## keep HANDLER up for AWS CLI, boto3 and curl on PORT
	@$(PYTHON) -m emulator serve $(FUNCTION) --port '$(PORT)' $(OPTIONS)

test: ## test everything that ships with PYTHON
	@$(PYTHON) -m tests

test-all: ## the same with every Python on this machine
	@$(PYTHON) tools/test_all.py

dist: ## build layers/lambda.zip; BYTECODE="python3.13 …" compiles for these
	@$(PYTHON) tools/layer.py $(BYTECODE:%=--bytecode %)

conformance: .venv/conformance/ready .venv/vendors/ready ## compare with AWS's emulator, AWS's runtime, AWS CLI, boto3, vendors
	@$(CONFORMANCE) conformance/fetch_rie.py
	@status=0; \
	for suite in "$(CONFORMANCE) -m conformance" "$(CONFORMANCE) -m conformance.differential" \
	    "$(VENDORS) -m conformance.vendors" "$(VENDORS) -m conformance.sandbox"; do \
	    printf '\n== %s\n' "$${suite#*-m }"; $$suite || status=1; \
	done; exit $$status

benchmark: .venv/conformance/ready ## measure start, memory and speed beside AWS's runtime
	@$(CONFORMANCE) -m benchmarks

lint: .venv/tools/ready ## check style and types
	@$(LINT)/ruff check --quiet .
	@$(LINT)/ruff format --check --quiet .
	@$(LINT)/mypy --no-error-summary runtime emulator tests tools conformance benchmarks
	@echo "ruff and mypy found nothing"

explore-lambda-environment: dist ## open a shell in a container that resembles Lambda
	@rm -rf layers/explore
	@mkdir -p layers/explore/task
	@$(PYTHON) -m zipfile -e layers/lambda.zip layers/explore/opt
	@chmod 755 layers/explore/opt/bootstrap
	@cp examples/*.py layers/explore/task
	@$(DOCKER) build --build-arg BASE='$(EXPLORE_BASE)' --tag $@ --file Dockerfile.explore $(DOCKER_FLAGS) layers/explore
	@$(DOCKER) run --rm $$(test -t 0 && echo --interactive --tty) --read-only --tmpfs /tmp:size=512m --user 993:990 \
	    $(DOCKER_FLAGS) $@ $(EXPLORE_CMD)

clean: ## remove what the targets built
	@rm -rf layers .venv .mypy_cache .ruff_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

.venv/vendors/ready: conformance/vendors/requirements.txt
.venv/conformance/ready: conformance/requirements.txt
.venv/tools/ready: tools/requirements.txt
.venv/%/ready:
	@echo "Installing $< into .venv/$* (once)"
	@rm -rf .venv/$*
	@$(PYTHON) -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: help run serve test test-all dist conformance benchmark lint explore-lambda-environment clean
