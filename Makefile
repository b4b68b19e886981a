# Custom Lambda Runtime for Python. `make` lists the targets; `make run` and `make test` need only Python.

PYTHON ?= python3
HANDLER ?= hello.handler
TASK_ROOT ?= examples
EVENT ?= {"name": "Lambda"}
PORT ?= 9000
CONFIG ?=
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

# Pass the event through the environment, so that quotes and dollar signs in it stay as they were typed.
override EVENT := $(value EVENT)
export EVENT

CHOSEN = $(if $(filter command environment,$(origin PYTHON)),$(PYTHON))
# The interpreters that compile bytecode: BYTECODE, or else PYTHON_VERSION, or else PYTHON if it was set.
COMPILE_FOR = $(or $(BYTECODE),$(PYTHON_VERSION),$(CHOSEN))
# The Python, architecture and glibc that the zip is built for.
TARGET = $(PYTHON_VERSION:%=--python %) $(ARCH:%=--arch %) $(GLIBC:%=--glibc %)
# Files whose findings are accepted: ALLOW='python/debugpy/*'.
CHECKS = $(foreach pattern,$(ALLOW),--allow '$(pattern)')
OUTPUT_OPTION = $(if $(OUTPUT),--output '$(OUTPUT)')
BUILD = $(BYTECODE:%=--bytecode %) $(OUTPUT_OPTION) $(CHECKS)

EMULATOR = PYTHONPATH='emulator'$${PYTHONPATH:+:$$PYTHONPATH} $(PYTHON) -m lambda_emulator
FUNCTION = --handler '$(HANDLER)' --task-root '$(TASK_ROOT)'
CONFORMANCE = .environments/conformance/bin/python
VENDORS = .environments/vendors/bin/python
WEB = .environments/web/bin/python
PUBLISH = .environments/publish/bin/python
BENCHMARK = .environments/benchmark-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())')
SUITES = conformance vendors web publish
LINT = .environments/tools/bin
# The oldest Python that installs each list of packages, and the list. FILE.in has what we ask for and why.
LOCKED = 3.11:conformance/requirements 3.11:conformance/vendors/requirements 3.11:conformance/web/requirements \
    3.11:conformance/publish/requirements 3.11:benchmarks/requirements 3.11:tools/requirements \
    3.11:tools/build-requirements 3.11:tools/coverage-requirements 3.8:tools/packaging-requirements

.DEFAULT_GOAL := help

help: ## list the targets and their variables
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name note; do printf '  make %-26s %s\n' "$$name" "$$note"; done
	@printf '\nVariables: HANDLER, TASK_ROOT, EVENT, OPTIONS, PYTHON, PORT; for zips PYTHON_VERSION, ARCH, FROM,\nREQUIREMENTS, EXCLUDE, ZIP, ZIPS. For example\n'
	@printf '  make run HANDLER=hello.handler TASK_ROOT=examples EVENT='\''{"name": "Ada"}'\'' PYTHON=python3.13\n'

run: ## invoke HANDLER once with EVENT in the local emulator
	@$(EMULATOR) run $(FUNCTION) --event "$$EVENT" $(OPTIONS)

serve: ## serve HANDLER, or the functions in CONFIG, on PORT for AWS CLI, boto3 and curl
	@$(EMULATOR) serve $(if $(CONFIG),--config '$(CONFIG)',$(FUNCTION)) --port '$(PORT)' $(OPTIONS)

test: ## run the tests with PYTHON
	@$(PYTHON) -m tests

test-all: ## run the tests with every Python found; tools/debian_pythons.sh downloads newer ones
	@$(PYTHON) tools/test_all.py

dist: ## build layers/lambda.zip, the runtime, with bytecode for PYTHON_VERSION
	@$(PYTHON) tools/layer.py $(COMPILE_FOR:%=--bytecode %) $(TARGET) $(OUTPUT_OPTION)

dist-python: ## build layers/python….zip, a Python interpreter for PYTHON_VERSION and ARCH
	@$(PYTHON) tools/interpreter.py $(TARGET) $(CHOSEN:%=--version-of %) $(if $(FROM),--from '$(FROM)') $(LIBRARIES:%=--libraries %) $(BUILD)

dist-deps: ## build layers/deps-….zip, the packages in REQUIREMENTS for PYTHON_VERSION and ARCH
	@$(PYTHON) tools/dependencies.py '$(REQUIREMENTS)' $(TARGET) $(CHOSEN:%=--version-of %) $(LIBRARIES:%=--libraries %) $(BUILD)

dist-function: ## build layers/function.zip, the files in TASK_ROOT, with bytecode for PYTHON_VERSION
	@$(PYTHON) tools/function.py '$(TASK_ROOT)' $(COMPILE_FOR:%=--bytecode %) $(TARGET) $(CHOSEN:%=--version-of %) \
	    $(foreach pattern,$(EXCLUDE),--exclude '$(pattern)') $(OUTPUT_OPTION) $(CHECKS)

verify-layer: ## check ZIP (one zip, or several that are deployed together) for use on Lambda
	@$(PYTHON) tools/verify.py $(or $(ZIP),$(error ZIP is not set. Use for example: make verify-layer ZIP=layers/lambda.zip)) \
	    $(TARGET) $(CHOSEN:%=--version-of %) $(CHECKS) $(if $(STRICT),--strict) $(if $(ALL),--all)

conformance: $(SUITES:%=.environments/%/ready) ## compare with AWS's emulator, runtime, CLI, SDK and SAM; test vendors' tools
	@$(CONFORMANCE) conformance/fetch_rie.py
	@status=0; \
	for suite in "$(CONFORMANCE) -m tests Throttled Uvloop Benchmark" "$(CONFORMANCE) -m pytest -q conformance/differential" \
	    "$(CONFORMANCE) -m pytest -q -n auto conformance/emulators" "$(CONFORMANCE) -m pytest -q conformance/streaming" \
	    "$(CONFORMANCE) -m pytest -q conformance/concurrency" \
	    "$(VENDORS) -m pytest -q conformance/vendors" "$(VENDORS) -m pytest -q -n auto conformance/sandbox" \
	    "$(WEB) -m pytest -q conformance/web" "$(CONFORMANCE) -m pytest -q conformance/layers" \
	    "$(PUBLISH) -m pytest -q conformance/explore" "$(PUBLISH) -m pytest -q conformance/publish" \
	    "$(PUBLISH) -m pytest -q conformance/packages"; do \
	    printf '\n== %s\n' "$${suite#*-m }"; $$suite || status=1; \
	done; exit $$status

soak: .environments/conformance/ready ## repeat the timing-sensitive tests RUNS times (default: 500); 10,000 invocations in each mode
	@RUNS=$(or $(RUNS),500) $(CONFORMANCE) -m tests Throttled
	@$(CONFORMANCE) conformance/fetch_rie.py
	@CONCURRENCY_INVOCATIONS=10000 $(CONFORMANCE) -m pytest -q conformance/concurrency/cases/aws_emulator.py

coverage: .environments/coverage/ready ## measure the branch coverage of runtime/ by tests/runtime
	@.environments/coverage/bin/python tools/runtime_coverage.py

benchmark: .environments/conformance/ready ## compare start time, memory and speed with AWS's runtime
	@$(CONFORMANCE) -m benchmarks

benchmark-concurrency: ## the same for 16 invocations at once in one environment, with PYTHON
	@$(MAKE) --no-print-directory $(BENCHMARK)/ready
	@$(BENCHMARK)/bin/python -m benchmarks.concurrency $(OPTIONS)

lint: .environments/tools/ready ## check style and types, Dockerfiles, shell scripts and workflows
	@$(LINT)/ruff check --quiet .
	@$(LINT)/ruff format --check --quiet .
	@$(LINT)/mypy --no-error-summary runtime emulator tests tools conformance benchmarks
	@$(LINT)/hadolint Dockerfile.explore examples/images/*.Dockerfile
	@$(LINT)/shellcheck .ci/run tools/*.sh tools/explore/*.sh
	@$(LINT)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(LINT)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	@$(LINT)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@echo "ruff, mypy, hadolint, shellcheck and check-jsonschema found nothing"

explore-lambda-environment: ## open a shell in a container that resembles Lambda
	@$(PYTHON) tools/layer.py $(COMPILE_FOR:%=--bytecode %) $(TARGET) --output layers/explore-layer/lambda.zip
	@$(PYTHON) tools/explore_context.py layers/explore layers/explore-layer/lambda.zip $(EXPLORE_LAYERS)
	@$(DOCKER) build --build-arg BASE='$(EXPLORE_BASE)' --tag $@ --file Dockerfile.explore $(DOCKER_FLAGS) layers/explore
	@$(DOCKER) run --rm --interactive $$(test -t 0 && echo --tty) --read-only --tmpfs /tmp:size=512m,exec --ipc none \
	    $(DOCKER_FLAGS) $@ $(EXPLORE_CMD)

package: .environments/build/ready ## build a wheel, a source distribution and lambda.zip in layers/
	@.environments/build/bin/python -m build --no-isolation --outdir layers

publish: ## publish layers/*.zip with AWS CLI and print their ARNs; ZIPS="FILE …", OPTIONS="--region …"
	@$(PYTHON) tools/publish.py $(ZIPS) -- $(OPTIONS)

deploy: ## deploy examples/template.yaml with AWS SAM CLI; STACK=…, BUCKET=…, OPTIONS="--region …"
	@command -v $(SAM) >/dev/null || { echo "make deploy: $(SAM) is not on PATH. Install AWS SAM CLI, or set its path, for example SAM=/opt/sam/bin/sam" >&2; exit 1; }
	@$(SAM) deploy --template-file examples/template.yaml --stack-name '$(STACK)' --resolve-image-repos \
	    $(if $(BUCKET),--s3-bucket '$(BUCKET)',--resolve-s3) --capabilities CAPABILITY_IAM $(OPTIONS)

requirements: .environments/packaging/ready ## lock the packages of every *requirements.in; OPTIONS=--upgrade takes new versions
	@for lock in $(LOCKED); do \
	    UV_SYSTEM_CERTS=1 .environments/packaging/bin/uv pip compile --quiet --no-config --universal --generate-hashes \
	        --python-version $${lock%%:*} --no-emit-index-url --custom-compile-command 'make requirements' $(OPTIONS) \
	        $${lock#*:}.in --output-file $${lock#*:}.txt || exit; \
	done

clean: ## remove everything that the targets have built
	@rm -rf layers .environments .mypy_cache .ruff_cache
	@find . -name '.?*' -prune -o -name __pycache__ -prune -exec rm -rf {} +

.environments/vendors/ready: conformance/vendors/requirements.txt
.environments/conformance/ready: conformance/requirements.txt
.environments/web/ready: conformance/web/requirements.txt
.environments/tools/ready: tools/requirements.txt
.environments/build/ready: tools/build-requirements.txt
.environments/coverage/ready: tools/coverage-requirements.txt
.environments/packaging/ready: tools/packaging-requirements.txt
.environments/publish/ready: conformance/publish/requirements.txt
# Each list is complete. So pip need not search for what the packages need, which pip 23.2 cannot with extras and hashes.
define install
	@echo "Installing $< into .environments/$(notdir $(@D)) (once)"
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@
endef

.environments/%/ready:
	$(install)

.environments/benchmark-%/ready: benchmarks/requirements.txt
	$(install)

.PHONY: help run serve test test-all soak dist dist-python dist-deps dist-function verify-layer conformance coverage benchmark benchmark-concurrency lint explore-lambda-environment package publish deploy requirements clean
