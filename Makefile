# Custom Lambda Runtime for Python. `make` lists the targets; `make run` and `make test` need only Python.

PYTHON ?= python3
HANDLER ?= hello.handler
TASK_ROOT ?= examples
LAYERS ?=
EVENT ?= {"name": "Lambda"}
PORT ?= 9000
CONFIG ?=
OPTIONS ?=
BYTECODE ?=
BUNDLE ?=
REQUIREMENTS ?= requirements.txt
DOCKER ?= docker
EXPLORE_LAYERS ?=
EXPLORE_BASE ?=
EXPLORE_CMD ?= /bin/bash
DOCKER_FLAGS ?=
ZIPS ?=
SAM ?= sam
STACK ?= python-runtime-examples
BUCKET ?=

EVENT_SET := $(filter command environment,$(origin EVENT))
PYTHON_SET := $(filter command environment,$(origin PYTHON))
# Some shells leave the ~ in PYTHON=~/venv/bin/python to us.
override PYTHON := $(if $(filter ~/%,$(value PYTHON)),$(subst ~/,$(HOME)/,$(value PYTHON)),$(value PYTHON))
CHOSEN := $(if $(PYTHON_SET),$(value PYTHON))

# The values of these variables are data: neither make nor a shell expands them. A recipe writes @OPTIONS or =TASK_ROOT,
# and tools/build/words.py replaces it by the value. The values are in the environment under names that only it reads.
VARIABLES = ALL ALLOW APPLY ARCH BACK BUCKET BUNDLE BYTECODE CHOSEN CONFIG DOCKER DOCKER_FLAGS EVENT EXAMPLES EXCLUDE EXPLORE_BASE \
    EXPLORE_CMD EXPLORE_LAYERS FROM FUNCTION GLIBC HANDLER INVOCATIONS LAYER LAYERS LIBRARIES OPTIONS OUTPUT PORT PYTHON PYTHON_VERSION \
    QUICK REQUIREMENTS RUNS SAM STACK STRICT TASK_ROOT WRAPPER ZIP ZIPS
$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name)))$(eval export VALUE_OF_$(name) := $$($(name))))
INTERPRETER = "$$VALUE_OF_PYTHON"
COMMAND = $(INTERPRETER) tools/build/words.py
TOOL = $(COMMAND) =PYTHON

# The interpreters that compile bytecode: BYTECODE, or else PYTHON_VERSION, or else PYTHON if it was set. If empty,
# the tools use every CPython that they find.
COMPILE_FOR = $(if $(BYTECODE),--bytecode@BYTECODE,$(if $(PYTHON_VERSION),--bytecode@PYTHON_VERSION,--bytecode=CHOSEN))
# The Python, architecture and glibc that the zip is built for.
TARGET = --python@PYTHON_VERSION --arch@ARCH --glibc=GLIBC
# Files whose findings are accepted: ALLOW='python/debugpy/*'.
CHECKS = --allow@ALLOW
# With BUNDLE, the tools run the init phase of HANDLER. Each tool gets TASK_ROOT in its own way.
RECORDED = --bundle:BUNDLE $(if $(BUNDLE),--handler =HANDLER --layer@LAYERS)
BUILD = --bytecode@BYTECODE --output=OUTPUT $(CHECKS)

EMULATOR = PYTHONPATH='emulator'$${PYTHONPATH:+:$$PYTHONPATH} $(TOOL) -m lambda_emulator
ONE_FUNCTION = --handler =HANDLER --task-root =TASK_ROOT --layer@LAYERS
CONFORMANCE = .environments/conformance/bin/python
FUZZ = .environments/fuzz/bin/python
BENCHMARK = .environments/benchmark-$$($(INTERPRETER) -c 'import platform; print(platform.python_version())')
# The suites of conformance/, each with its environment. Two run at a time, so the longest come first.
SUITES = conformance/concurrency publish/publish conformance/layers web/web conformance/emulators publish/packages \
    conformance/differential conformance/browser publish/infrastructure vendors/sandbox vendors/vendors publish/explore \
    conformance/streaming conformance/testing fuzz/fuzz conformance/soak
SUITE_ENVIRONMENTS = conformance vendors web publish fuzz
# Print the output of each suite as one. GNU make 3.81, which macOS has, cannot.
OUTPUT_IN_ORDER = $(filter --output-sync=target,$(.FEATURES:output-sync=--output-sync=target))
LINT = .environments/tools/bin
# The oldest Python that installs each list of packages, and the list. FILE.in has what we ask for and why.
LOCKED = 3.11:conformance/requirements 3.11:conformance/vendors/requirements 3.11:conformance/web/requirements \
    3.11:conformance/publish/requirements 3.11:conformance/fuzz/requirements 3.10:benchmarks/requirements \
    3.11:benchmarks/charts-requirements 3.11:tools/requirements 3.11:tools/build-requirements 3.11:tools/coverage-requirements 3.8:tools/packaging-requirements

.DEFAULT_GOAL := help

help: ## list the targets and their variables
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name note; do printf '  make %-26s %s\n' "$$name" "$$note"; done
	@printf '\nVariables: HANDLER, TASK_ROOT, LAYERS, EVENT, OPTIONS, PYTHON, PORT; for zips PYTHON_VERSION, ARCH, FROM,\nREQUIREMENTS, EXCLUDE, BUNDLE, ZIP, ZIPS. For example\n'
	@printf '  make run HANDLER=hello.handler TASK_ROOT=examples EVENT='\''{"name": "Ada"}'\'' PYTHON=python3.13\n'

run: ## invoke HANDLER once with EVENT in the local emulator
	@$(EMULATOR) run $(ONE_FUNCTION) --event =EVENT @OPTIONS

serve: ## serve HANDLER, or the functions in CONFIG, on PORT for AWS CLI, boto3 and curl
	@$(EMULATOR) serve $(if $(CONFIG),--config=CONFIG --layer@LAYERS,$(ONE_FUNCTION)) --port =PORT @OPTIONS

profile: ## show what makes the init phase of HANDLER slow: imports, bytecode, memory
	@$(EMULATOR) profile $(ONE_FUNCTION) @OPTIONS

test: ## run the tests with PYTHON
	@$(INTERPRETER) -m tests

test-all: ## run the tests with every Python found (QUICK=1: as CI does); tools/debian_pythons.sh downloads newer ones
	@$(TOOL) tools/test_all.py --quick:QUICK

dist: ## build layers/lambda.zip, the runtime, with bytecode for each CPython found, or for BYTECODE
	@$(TOOL) tools/layer.py $(COMPILE_FOR) $(TARGET) --output=OUTPUT

dist-python: ## build layers/python….zip, a Python interpreter for PYTHON_VERSION and ARCH
	@$(TOOL) tools/interpreter.py $(TARGET) --version-of=CHOSEN --from=FROM --libraries@LIBRARIES $(BUILD)

dist-deps: ## build layers/deps-….zip, the packages in REQUIREMENTS for PYTHON_VERSION and ARCH
	@$(TOOL) tools/dependencies.py =REQUIREMENTS $(TARGET) --version-of=CHOSEN --libraries@LIBRARIES $(BUILD) \
	    $(RECORDED) --task-root =TASK_ROOT

dist-function: ## build layers/function.zip, the files in TASK_ROOT, with bytecode like that of dist
	@$(TOOL) tools/function.py =TASK_ROOT $(COMPILE_FOR) $(TARGET) --version-of=CHOSEN --exclude@EXCLUDE --output=OUTPUT $(CHECKS) \
	    $(RECORDED)

verify-layer: ## check ZIP (one zip, or several that are deployed together) for use on Lambda
	@$(TOOL) tools/verify.py $(if $(ZIP),files@ZIP,$(error ZIP is not set. Use for example: make verify-layer ZIP=layers/lambda.zip)) \
	    $(TARGET) --version-of=CHOSEN $(CHECKS) --strict:STRICT --all:ALL

conformance: ## compare with AWS's emulator, runtime, CLI, SDK and SAM; test vendors' tools
	@$(MAKE) --no-print-directory --silent -j2 $(SUITE_ENVIRONMENTS:%=.environments/%/ready) .environments/node/ready
	@$(CONFORMANCE) conformance/fetch_rie.py
	@status=0; $(CONFORMANCE) -m tests Throttled Uvloop Benchmark || status=1; \
	    $(MAKE) --no-print-directory --keep-going $(OUTPUT_IN_ORDER) -j2 $(SUITES:%=suite/%) || status=1; exit $$status

suite/%:
	@printf '\n== %s\n' $(@F); .environments/$(*D)/bin/python -m pytest -q conformance/$(@F)

test-repeatedly: .environments/conformance/ready ## repeat the timing-sensitive tests RUNS times (default: 500); 10,000 invocations in each mode
	@RUNS="$${VALUE_OF_RUNS:-500}" $(CONFORMANCE) -m tests Throttled
	@$(CONFORMANCE) conformance/fetch_rie.py
	@CONCURRENCY_INVOCATIONS=10000 $(CONFORMANCE) -m pytest -q conformance/concurrency/cases/aws_emulator.py

soak: ## send INVOCATIONS (default: 200,000) through the runtime and the emulator: none is lost, nothing grows
	@$(INTERPRETER) -m conformance.soak "$${VALUE_OF_INVOCATIONS:-200000}"

fuzz: .environments/fuzz/ready ## try each property of conformance/fuzz with EXAMPLES inputs (default: 10,000)
	@EXAMPLES="$${VALUE_OF_EXAMPLES:-10000}" $(COMMAND) $(FUZZ) -m pytest -q -s conformance/fuzz @OPTIONS

coverage: .environments/coverage/ready ## measure the branch coverage of runtime/ by tests/runtime
	@.environments/coverage/bin/python tools/runtime_coverage.py

benchmark: ## compare start, memory and speed with AWS's runtime, with PYTHON; OPTIONS="--only hello FastAPI"
	@$(MAKE) --no-print-directory PYTHON=$(INTERPRETER) $(BENCHMARK)/ready
	@$(COMMAND) $(BENCHMARK)/bin/python -m benchmarks @OPTIONS

benchmark-all: .environments/packaging/ready ## the same with every CPython found from 3.10 on, then make charts (an hour)
	@$(TOOL) -m benchmarks.all -- @OPTIONS
	@$(MAKE) --no-print-directory charts

charts: .environments/charts/ready ## write the tables and charts of docs/performance.md from benchmarks/results
	@.environments/charts/bin/python -m benchmarks.report

benchmark-concurrency: ## the same for 16 invocations at once in one environment, with PYTHON
	@$(MAKE) --no-print-directory PYTHON=$(INTERPRETER) $(BENCHMARK)/ready
	@$(COMMAND) $(BENCHMARK)/bin/python -m benchmarks.concurrency @OPTIONS

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
	@$(TOOL) tools/layer.py $(if $(BYTECODE)$(PYTHON_VERSION)$(CHOSEN),$(COMPILE_FOR),--bytecode=none) $(TARGET) --output layers/explore-layer/lambda.zip
	@$(TOOL) tools/explore_context.py layers/explore layers/explore-layer/lambda.zip files@EXPLORE_LAYERS
	@$(COMMAND) @DOCKER build --build-arg BASE=$(if $(EXPLORE_BASE),EXPLORE_BASE,public.ecr.aws/lambda/$(if $(EXPLORE_LAYERS),provided:al2023,python:3.13)) \
	    --tag $@ --file Dockerfile.explore @DOCKER_FLAGS layers/explore
	@$(COMMAND) @DOCKER run --rm --interactive $$(test -t 0 && echo --tty) --read-only --tmpfs /tmp:size=512m,exec --ipc none \
	    @DOCKER_FLAGS $@ @EXPLORE_CMD

package: .environments/build/ready ## build a wheel, a source distribution and lambda.zip in layers/
	@.environments/build/bin/python -m build --no-isolation --outdir layers

publish: ## publish layers/lambda.zip and interpreters with AWS CLI, print their ARNs; ZIPS="FILE …", OPTIONS="--region …"
	@$(TOOL) tools/publish.py files@ZIPS -- @OPTIONS

move: ## move FUNCTION to this runtime: shows the changes; APPLY=1 makes them, BACK=1 takes them back
	@$(TOOL) tools/move.py $(if $(FUNCTION),=FUNCTION,$(error FUNCTION is not set. Use for example: make move FUNCTION=orders)) \
	    --layer=LAYER --wrapper=WRAPPER $(if $(EVENT_SET),--event =EVENT) --apply:APPLY --back:BACK -- @OPTIONS

deploy: ## deploy examples/template.yaml with AWS SAM CLI; STACK=…, BUCKET=…, OPTIONS="--region …"
	@command -v "$$VALUE_OF_SAM" >/dev/null || { echo "make deploy: $$VALUE_OF_SAM is not on PATH. Install AWS SAM CLI, or set its path, for example SAM=/opt/sam/bin/sam" >&2; exit 1; }
	@$(COMMAND) =SAM deploy --template-file examples/template.yaml --stack-name =STACK --resolve-image-repos \
	    $(if $(BUCKET),--s3-bucket =BUCKET,--resolve-s3) --capabilities CAPABILITY_IAM @OPTIONS

requirements: .environments/packaging/ready ## lock the packages of every *requirements.in; OPTIONS=--upgrade takes new versions
	@for lock in $(LOCKED); do \
	    UV_SYSTEM_CERTS=1 $(COMMAND) .environments/packaging/bin/uv pip compile --quiet --no-config --universal --generate-hashes \
	        --python-version $${lock%%:*} --no-emit-index-url --custom-compile-command 'make requirements' @OPTIONS \
	        $${lock#*:}.in --output-file $${lock#*:}.txt || exit; \
	done

clean: ## remove everything that the targets have built
	@rm -rf layers .environments .hypothesis .mypy_cache .ruff_cache
	@find . -name '.?*' -prune -o -name __pycache__ -prune -exec rm -rf {} +

.environments/vendors/ready: conformance/vendors/requirements.txt
.environments/conformance/ready: conformance/requirements.txt
.environments/web/ready: conformance/web/requirements.txt
.environments/tools/ready: tools/requirements.txt
.environments/build/ready: tools/build-requirements.txt
.environments/coverage/ready: tools/coverage-requirements.txt
.environments/packaging/ready: tools/packaging-requirements.txt
.environments/publish/ready: conformance/publish/requirements.txt
.environments/fuzz/ready: conformance/fuzz/requirements.txt
.environments/charts/ready: benchmarks/charts-requirements.txt
# Each list is complete. So pip need not search for what the packages need, which pip 23.2 cannot with extras and hashes.
define install
	@echo "Installing $< into .environments/$(notdir $(@D)) (once)"
	@rm -rf $(@D)
	@$(INTERPRETER) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@
endef

.environments/%/ready:
	$(install)

.environments/node/ready: conformance/infrastructure/package-lock.json
	@rm -rf $(@D)
	@mkdir -p $(@D)
	@cp $(<D)/package.json $< $(@D)
	@if command -v npm >/dev/null; then echo "Installing $< into $(@D) (once)"; \
	    npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel error && touch $@; \
	    else echo "npm is missing: skips the cases of AWS CDK and Serverless Framework"; fi

# With uv, because an interpreter from Debian has no pip, and `venv` cannot install it there.
.environments/benchmark-%/ready: benchmarks/requirements.txt .environments/packaging/ready
	@echo "Installing $< into .environments/$(notdir $(@D)) (once)"
	@test -x $(@D)/bin/python || $(INTERPRETER) -m venv --without-pip $(@D)
	@UV_SYSTEM_CERTS=1 .environments/packaging/bin/uv pip sync --quiet --no-config --require-hashes --python $(@D)/bin/python $<
	@touch $@

.PHONY: help run serve profile test test-all test-repeatedly soak fuzz dist dist-python dist-deps dist-function verify-layer conformance coverage benchmark benchmark-all benchmark-concurrency charts lint explore-lambda-environment package publish move deploy requirements clean
