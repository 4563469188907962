# batch-prep: `make` lists what can be done. PYTHON=python3.11 (or a path) works in a venv of its own.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
PY := $(VENV)/bin/python
DURABLE2 := $(VENV)/durable2
ON_DURABLE2 := $(addprefix tests/,unit/local_host/test_durable_sdk_2.py stories simulation contract/stack/test_real_paths.py contract/stack/test_kills.py)
TESTS ?= tests
MACHINES ?= scripted
ROOTS ?= .batch-prep/roots
SHELL_FILES = batch-prep.sh .ci/run .ci/find-python $(shell find provisioning tests -name '*.sh' | sort)
# What others get to read or run; the tests hold made-up secrets on purpose.
PUBLISHED = function_app.py activities orchestrators shared triggers cli local infra provisioning release docs '*.md' '*.json' '*.yaml' ':!package-lock.json' ':!tests'
SHFMT := $(VENV)/bin/shfmt -i 2 -ci
export BATCH_PREP_VENV := $(VENV)
# Each process would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.stamp $(DURABLE2)/.stamp node_modules/.package-lock.json ## Install what is needed here; quick when done already

$(VENV)/.stamp: requirements-dev.txt
	@if [[ ! -x $(PY) ]]; then \
	  python=$$(.ci/find-python $(PYTHON)); echo "Making $(VENV) with $$python"; "$$python" -m venv $(VENV); \
	fi
	@echo "Installing the Python packages"
	@$(PY) -m pip install -qq --no-compile --disable-pip-version-check --no-input -r requirements-dev.txt
	@touch $@

# A virtual environment on top of the other. Where this cannot be had, its tests say that they were not run.
$(DURABLE2)/.stamp: requirements-durable2.txt | $(VENV)/.stamp
	@$(PY) -m venv --without-pip --clear $(DURABLE2)
	@packages='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	own=$$($(DURABLE2)/bin/python -c "$$packages"); \
	$(PY) -c "$$packages" >"$$own/below.pth"; \
	$(PY) -m pip install -qq --no-compile --no-deps --disable-pip-version-check --no-input \
	  --target "$$own" -r requirements-durable2.txt \
	  && touch $@ || echo "Version 2 of the Durable SDK could not be installed."

node_modules/.package-lock.json: package.json package-lock.json
	@echo "Installing Azurite"
	@npm ci --silent --no-audit --no-fund --no-update-notifier || npm ci --no-audit --no-fund
	@touch $@

.PHONY: run
run: PARTS = kit
run: $(if $(filter nspawn,$(MACHINES)),roots,setup) ## Run a full build with three pools on a local stack (MACHINES=nspawn really executes what it can)
	@PRELOAD_IMAGES=true CONTAINER_IMAGE=docker.io/library/busybox:1.36 BATCH_PREP_ROOTS=$(ROOTS) \
	$(PY) -m cli local run --machines $(MACHINES) $(ARGS) -- ./batch-prep.sh \
	  --full --gpu --os ubuntu --version 24.04 --account batchprepdemo \
	  --acr batchprepdemo --docker-context https://example.org/app.git\#main --docker-image app:v1.0 \
	  --pool-id dev  --vm-size Standard_NC4as_T4_v3 --nodes 1 \
	  --pool-id test --vm-size Standard_NC4as_T4_v3 --nodes 2 \
	  --pool-id prod --vm-size Standard_NC8as_T4_v3 --nodes 4 \
	  --verify --metadata-dir .batch-prep/run

.PHONY: up
up: setup ## Start the local stack and stay; Ctrl-C stops it (ARGS="--port 8000 --time-scale 1")
	@$(PY) -m cli local up $(ARGS)

.PHONY: down
down: setup ## Stop the local stack, and those with a state folder below .batch-prep
	@$(PY) -m cli local down $(ARGS)

.PHONY: test
test: setup ## Run the tests on every core (TESTS=tests/unit, ARGS="-k name")
	@$(PY) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(TESTS) $(ARGS)

.PHONY: roots
roots: setup ## Make what real machines are made from; quick when done already (root on Linux, Debian's mirror; PARTS=kit)
	@$(PY) -m local.machines $(ROOTS) $(PARTS)

.PHONY: test-provisioning
test-provisioning: roots ## Really run the steps of a build in Debian machines (ARGS="-k seal")
	@BATCH_PREP_ROOTS=$(ROOTS) $(PY) -m pytest tests/provisioning/real $(ARGS)

.PHONY: test-durable2
test-durable2: setup ## Run every story on the pre-release of version 2 of the Durable SDK (Python 3.13)
	@BATCH_PREP_VENV=$(DURABLE2) $(DURABLE2)/bin/python -m pytest --numprocesses auto --dist loadfile \
	  --no-loadscope-reorder $(if $(filter tests,$(TESTS)),$(ON_DURABLE2),$(TESTS)) $(ARGS)

.PHONY: test-kills
test-kills: setup ## Kill the real processes at random moments of builds (KILLS=20)
	@BATCH_PREP_KILLS=$(or $(KILLS),20) $(PY) -m pytest tests/contract/stack/test_kills.py -v

.PHONY: soak
soak: setup ## Load, faults and kills on the real processes; then nothing may be left (MINUTES=10)
	@$(PY) -m tests.soak --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

.PHONY: mutate
mutate: setup ## Put small faults into the app, and list those that no test notices (MUTANTS=200 SEED=1)
	@$(PY) -m tests.mutation --mutants $(or $(MUTANTS),200) --seed $(or $(SEED),1) $(ARGS)

.PHONY: test-clock
test-clock: setup ## Run every story with clocks two hours ahead; none may take another time (TESTS=tests/stories/test_pools.py)
	@$(PY) -m tests.clocks $(if $(filter tests,$(TESTS)),,$(TESTS))

.PHONY: test-hostile
test-hostile: setup ## Send generated hostile requests to every route (REQUESTS=20000)
	@HOSTILE_REQUESTS=$(or $(REQUESTS),20000) $(PY) -m pytest tests/stories/test_hostile_input.py

.PHONY: conformance
conformance: setup ## Hold the app against Microsoft's Durable extension and resource types (SCENARIOS="queue kills"; URL=... KEY=...)
	@$(PY) -m tests.conformance $(SCENARIOS)

.PHONY: infra
infra: setup ## Format infra/, compile it and write the snapshots that the tests read; needs Bicep (BICEP, PATH or CONFORMANCE_TOOLS)
	@$(PY) -m tests.infra

.PHONY: golden
golden: setup ## Write the reviewed request bodies anew; the diff is the review
	@GOLDEN=write $(PY) -m pytest tests/golden

.PHONY: simulate
simulate: setup ## Whole builds under faults and crashes (SEEDS=1000 FROM=1)
	@$(PY) -m tests.simulation --seeds $(or $(SEEDS),1000) --from $(or $(FROM),1)

.PHONY: bench
bench: setup ## Measure everything in simulated minutes (SCENARIOS="full_1_pools image_only"; EXPLAIN=image_only)
	@$(PY) -m bench $(if $(EXPLAIN),--explain $(EXPLAIN),$(SCENARIOS))

.PHONY: check
check: setup ## Check format, lint, types and shell scripts
	@$(MAKE) --no-print-directory --jobs --keep-going --output-sync=target check-types check-style check-shell check-security
	@echo "All checks passed."

.PHONY: check-types
check-types: ## Check the types
	@$(PY) -m mypy --no-error-summary

.PHONY: check-security
check-security: ## Look for secrets in what is published
	@git ls-files -z $(PUBLISHED) | xargs -0 $(VENV)/bin/detect-secrets-hook --cores 1 \
	  --exclude-lines Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6 \
	  --exclude-files provisioning/exit_codes.sh # the public key of Azurite; an exit code's name

.PHONY: check-style
check-style: ## Check format and lint of the Python code
	@$(PY) -m ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(PY) -m ruff check --quiet .

.PHONY: check-shell
check-shell: ## Check the shell scripts
	@$(VENV)/bin/shellcheck $(SHELL_FILES)
	@$(SHFMT) -d $(SHELL_FILES)

.PHONY: lock
lock: setup ## Resolve requirements*.in anew, with hashes (UPGRADE=1 takes the newest versions)
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  $(if $(UPGRADE),--upgrade) requirements.in --output-file requirements.txt
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  $(if $(UPGRADE),--upgrade) requirements-dev.in --constraints requirements.txt --output-file requirements-dev.txt

.PHONY: audit
audit: setup ## Ask PyPI's advisories about every locked package (needs the network)
	@$(PY) -m uv tool run --quiet pip-audit@2.10.1 --require-hashes --disable-pip --progress-spinner off -r requirements.txt

.PHONY: package
package: setup ## Write what is deployed, and its bill of materials, into dist/
	@$(PY) -m release package

.PHONY: release
release: check ## Commit, tag and package a version (VERSION=1.2.0)
	@$(PY) -m release version $(or $(VERSION),$(error give VERSION=1.2.0))

.PHONY: format
format: setup ## Format Python and shell
	@$(PY) -m ruff format --quiet .
	@$(PY) -m ruff check --fix --quiet .
	@$(SHFMT) -w $(SHELL_FILES)

.PHONY: clean
clean: ## Stop local stacks; remove their state, caches and metadata files; keep what setup and roots made
	@[[ ! -x $(PY) ]] || $(PY) -m cli local down --state .batch-prep
	@find .batch-prep -mindepth 1 -maxdepth 1 ! -name roots -exec rm -rf {} + 2>/dev/null || true
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis image_metadata.json batch_metadata.json
	@find . -name __pycache__ -not -path './.venv*' -not -path './node_modules/*' -prune -exec rm -rf {} +
