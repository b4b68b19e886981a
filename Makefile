# Custom Lambda Runtime for Python. `make` lists what there is to do; `make run` and `make test` need Python only.

PYTHON ?= python3
HANDLER ?= hello.handler
TASK_ROOT ?= examples
EVENT ?= {"name": "Lambda"}
PORT ?= 9000
OPTIONS ?=
BYTECODE ?=
REQUIREMENTS ?= requirements.txt
DOCKER ?= docker
EXPLORE_LAYERS ?=
EXPLORE_BASE ?= public.ecr.aws/lambda/$(if $(EXPLORE_LAYERS),provided:al2023,python:3.13)
EXPLORE_CMD ?= /bin/bash
DOCKER_FLAGS ?=
ZIPS ?=
SAM ?= sam
STACK ?= python-runtime-examples
BUCKET ?=

# The event goes to the program through the environment, as it was typed: quotes, dollar signs and all.
override EVENT := $(value EVENT)
export EVENT

CHOSEN = $(if $(filter command environment,$(origin PYTHON)),$(PYTHON))
# What compiles: interpreters that are named, else one of PYTHON_VERSION, else PYTHON if it was chosen.
COMPILE_FOR = $(or $(BYTECODE),$(PYTHON_VERSION),$(CHOSEN))
# Where the zip will work.
TARGET = $(PYTHON_VERSION:%=--python %) $(ARCH:%=--arch %) $(GLIBC:%=--glibc %)
# Files to say nothing about: ALLOW='python/debugpy/*'.
CHECKS = $(foreach pattern,$(ALLOW),--allow '$(pattern)')
OUTPUT_OPTION = $(if $(OUTPUT),--output '$(OUTPUT)')
BUILD = $(BYTECODE:%=--bytecode %) $(OUTPUT_OPTION) $(CHECKS)

EMULATOR = PYTHONPATH='emulator'$${PYTHONPATH:+:$$PYTHONPATH} $(PYTHON) -m lambda_emulator
FUNCTION = --handler '$(HANDLER)' --task-root '$(TASK_ROOT)'
CONFORMANCE = .environments/conformance/bin/python
VENDORS = .environments/vendors/bin/python
WEB = .environments/web/bin/python
PUBLISH = .environments/publish/bin/python
SUITES = conformance vendors web publish
LINT = .environments/tools/bin

.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name note; do printf '  make %-26s %s\n' "$$name" "$$note"; done
	@printf '\nVariables: HANDLER, TASK_ROOT, EVENT, OPTIONS, PYTHON, PORT; for zips PYTHON_VERSION, ARCH, FROM,\nREQUIREMENTS, EXCLUDE, ZIP, ZIPS. For example\n'
	@printf '  make run HANDLER=hello.handler TASK_ROOT=examples EVENT='\''{"name": "Ada"}'\'' PYTHON=python3.13\n'

run: ## invoke HANDLER once with EVENT, as Lambda would
	@$(EMULATOR) run $(FUNCTION) --event "$$EVENT" $(OPTIONS)

serve: ## keep HANDLER up for AWS CLI, boto3 and curl on PORT
	@$(EMULATOR) serve $(FUNCTION) --port '$(PORT)' $(OPTIONS)

test: ## test everything that ships with PYTHON
	@$(PYTHON) -m tests

test-all: ## the same with every Python on this machine; tools/debian_pythons.sh gets newer ones
	@$(PYTHON) tools/test_all.py

dist: ## build layers/lambda.zip, with bytecode for PYTHON_VERSION
	@$(PYTHON) tools/layer.py $(COMPILE_FOR:%=--bytecode %) $(TARGET) $(OUTPUT_OPTION)

dist-python: ## build layers/python….zip: an interpreter, of PYTHON_VERSION for ARCH
	@$(PYTHON) tools/interpreter.py $(TARGET) $(CHOSEN:%=--version-of %) $(if $(FROM),--from '$(FROM)') $(LIBRARIES:%=--libraries %) $(BUILD)

dist-deps: ## build layers/deps-….zip: the packages in REQUIREMENTS, likewise
	@$(PYTHON) tools/dependencies.py '$(REQUIREMENTS)' $(TARGET) $(CHOSEN:%=--version-of %) $(LIBRARIES:%=--libraries %) $(BUILD)

dist-function: ## build layers/function.zip: the files in TASK_ROOT, with bytecode likewise
	@$(PYTHON) tools/function.py '$(TASK_ROOT)' $(COMPILE_FOR:%=--bytecode %) $(TARGET) $(CHOSEN:%=--version-of %) \
	    $(foreach pattern,$(EXCLUDE),--exclude '$(pattern)') $(OUTPUT_OPTION) $(CHECKS)

verify-layer: ## check ZIP, or several that go together, before Lambda does
	@$(PYTHON) tools/verify.py $(or $(ZIP),$(error Say which: make verify-layer ZIP=layers/lambda.zip)) \
	    $(TARGET) $(CHOSEN:%=--version-of %) $(CHECKS) $(if $(STRICT),--strict) $(if $(ALL),--all)

conformance: $(SUITES:%=.environments/%/ready) ## compare with AWS's emulator, runtime, CLI, SDK and SAM, and try vendors' tools
	@$(CONFORMANCE) conformance/fetch_rie.py
	@status=0; \
	for suite in "$(CONFORMANCE) -m tests Throttled Uvloop" "$(CONFORMANCE) -m pytest -q conformance/differential" \
	    "$(CONFORMANCE) -m pytest -q -n auto conformance/emulators" "$(CONFORMANCE) -m pytest -q conformance/streaming" \
	    "$(VENDORS) -m pytest -q conformance/vendors" "$(VENDORS) -m pytest -q -n auto conformance/sandbox" \
	    "$(WEB) -m pytest -q conformance/web" "$(CONFORMANCE) -m pytest -q conformance/layers" \
	    "$(PUBLISH) -m pytest -q conformance/explore" "$(PUBLISH) -m pytest -q conformance/publish" \
	    "$(PUBLISH) -m pytest -q conformance/packages"; do \
	    printf '\n== %s\n' "$${suite#*-m }"; $$suite || status=1; \
	done; exit $$status

soak: .environments/conformance/ready ## repeat RUNS times (500) what only a slow machine gets wrong
	@RUNS=$(or $(RUNS),500) $(CONFORMANCE) -m tests Throttled

benchmark: .environments/conformance/ready ## measure start, memory and speed beside AWS's runtime
	@$(CONFORMANCE) -m benchmarks

lint: .environments/tools/ready ## check style and types, of Dockerfiles and scripts too
	@$(LINT)/ruff check --quiet .
	@$(LINT)/ruff format --check --quiet .
	@$(LINT)/mypy --no-error-summary runtime emulator tests tools conformance benchmarks
	@$(LINT)/hadolint Dockerfile.explore examples/images/*.Dockerfile
	@$(LINT)/shellcheck .ci/run tools/*.sh tools/explore/*.sh
	@echo "ruff, mypy, hadolint and shellcheck found nothing"

explore-lambda-environment: ## open a shell in a container that resembles Lambda
	@$(PYTHON) tools/layer.py $(COMPILE_FOR:%=--bytecode %) $(TARGET) --output layers/explore-layer/lambda.zip
	@$(PYTHON) tools/explore_context.py layers/explore layers/explore-layer/lambda.zip $(EXPLORE_LAYERS)
	@$(DOCKER) build --build-arg BASE='$(EXPLORE_BASE)' --tag $@ --file Dockerfile.explore $(DOCKER_FLAGS) layers/explore
	@$(DOCKER) run --rm --interactive $$(test -t 0 && echo --tty) --read-only --tmpfs /tmp:size=512m,exec --ipc none \
	    $(DOCKER_FLAGS) $@ $(EXPLORE_CMD)

package: .environments/build/ready ## build a wheel and a source distribution into layers/, and layers/lambda.zip
	@.environments/build/bin/python -m build --no-isolation --outdir layers

publish: ## publish layers/*.zip with AWS CLI and print the ARNs; ZIPS="FILE …", OPTIONS="--region …"
	@$(PYTHON) tools/publish.py $(ZIPS) -- $(OPTIONS)

deploy: ## deploy examples/template.yaml with AWS SAM CLI; STACK=…, BUCKET=…, OPTIONS="--region …"
	@command -v $(SAM) >/dev/null || { echo "make deploy: $(SAM) is not on PATH; install AWS SAM CLI, or name it by SAM=…" >&2; exit 1; }
	@$(SAM) deploy --template-file examples/template.yaml --stack-name '$(STACK)' --resolve-image-repos \
	    $(if $(BUCKET),--s3-bucket '$(BUCKET)',--resolve-s3) --capabilities CAPABILITY_IAM $(OPTIONS)

clean: ## remove what the targets built
	@rm -rf layers .environments .mypy_cache .ruff_cache
	@find . -name '.?*' -prune -o -name __pycache__ -prune -exec rm -rf {} +

.environments/vendors/ready: conformance/vendors/requirements.txt
.environments/conformance/ready: conformance/requirements.txt
.environments/web/ready: conformance/web/requirements.txt
.environments/tools/ready: tools/requirements.txt
.environments/build/ready: tools/build-requirements.txt
.environments/publish/ready: conformance/publish/requirements.txt
.environments/%/ready:
	@echo "Installing $< into .environments/$* (once)"
	@rm -rf .environments/$*
	@$(PYTHON) -m venv .environments/$*
	@.environments/$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: help run serve test test-all soak dist dist-python dist-deps dist-function verify-layer conformance benchmark lint explore-lambda-environment package publish deploy clean
