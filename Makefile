# Targets for people; .ci/run and the workflow call the same ones. `make help` lists them.
SHELL := /bin/bash
export PYTHON
.DEFAULT_GOAL := help
BIN := .venv/bin
# Every step of a pipeline is a process: let Python keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

DEMO ?= $(BIN)/tidemill replay examples/flights/loop.yaml --world flights.world:FlightsYear --out out/flights
# One worker a core, at most two; whole files, since fixtures that train a model are shared in one.
PYTEST ?= $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: help
help:  ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo:  ## Install, then keep a flight-delay model right through all of 2013
	@ci/install examples
	$(DEMO)

.PHONY: install
install:  ## Install everything that tests and development need into .venv
	@ci/install dev

.PHONY: test
test: install  ## Install, then run the everyday tests
	@ci/install-chromium
	@ci/install-postgres
	$(PYTEST) -m "not e2e"

.PHONY: e2e
e2e: install  ## Tests that take minutes or start real servers; none of them needs a Kubernetes
	@ci/install-chromium
	@ci/install-postgres
	@$(BIN)/python -m pytest -m "e2e and not cluster" --timeout=1500 || [ $$? -eq 5 ]  # 5: there are none

# Without KUBECONFIG a cluster is brought up, by ci/e2e-cluster.
.PHONY: e2e-cluster
e2e-cluster: install  ## Tests on a real Kubernetes
	@if [ -z "$$KUBECONFIG" ]; then env=$$(ci/e2e-cluster) && eval "$$env"; fi && \
	  $(BIN)/python -m pytest -m cluster --timeout=1500

.PHONY: e2e-smoke
e2e-smoke: install  ## Of those the quickest that shows all parts: the chart, a turn on Kubeflow Pipelines, an answer
	@if [ -z "$$KUBECONFIG" ]; then env=$$(ci/e2e-cluster) && eval "$$env"; fi && \
	  $(BIN)/python -m pytest -s -m smoke --timeout=1500

.PHONY: lint
lint: install  ## ruff, mypy, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: install  ## Format, and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: install  ## Every benchmark, one after the other; results as JSON in out/bench/
	@mkdir -p out/bench
	@for bench in bench/*.py; do \
	  name=$$(basename $$bench .py); echo "$$name ..."; \
	  $(BIN)/python $$bench | tee out/bench/$$name.json || exit 1; \
	done

# A sample that is drawn by a seed; ONLY="accept repair" draws from those modules alone.
SEED ?= 1
SAMPLE ?= 60
MINUTES ?= 20
.PHONY: mutants
mutants: install  ## Do the tests of decisions/ and stats/ notice wrong code? A random sample (SEED, SAMPLE, MINUTES, ONLY)
	$(BIN)/python ci/mutants.py --seed $(SEED) --sample $(SAMPLE) --minutes $(MINUTES) $(if $(ONLY),--only $(ONLY))

.PHONY: images
images:  ## Build the images: platform, components, model-server
	@ci/images

.PHONY: reference
reference: install  ## Write docs/reference/ from the code
	$(BIN)/python ci/reference.py
	$(BIN)/python ci/chart_reference.py

.PHONY: manifests
manifests: install  ## Write manifests/ from the chart
	@ci/install-tools helm
	$(BIN)/python ci/manifests.py

.PHONY: chart
chart: install  ## Lint the chart: every set of values, schemas, alerts, workflows
	@ci/lint-chart

.PHONY: crds
crds: install  ## Write the CustomResourceDefinitions of the chart from the models
	$(BIN)/python -m tidemill.spec.crd charts/tidemill/crds
	$(BIN)/python -m tidemill.spec.crd manifests/base/crds

.PHONY: pipelines
pipelines: install  ## Compile the pipelines into the YAML beside them
	$(BIN)/python -m tidemill_pipelines.compile

# Pins that still hold are kept; `make constraints UPGRADE=--upgrade` takes the newest of everything.
.PHONY: constraints
constraints:  ## Resolve what pyproject.toml asks for into constraints/
	@[ -x $(BIN)/uv ] || ci/install dev
	@for minor in 11 12; do \
	  $(BIN)/uv pip compile --quiet $(UPGRADE) --all-extras --no-emit-index-url --no-header --no-annotate \
	    --python-version 3.$$minor pyproject.toml -o constraints/py3$$minor.txt || exit 1; \
	done
	@ci/image-requirements $(BIN)/uv

.PHONY: clean
clean:  ## Remove what was made, but for .venv
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

.PHONY: distclean
distclean: clean  ## ... and .venv
	rm -rf .venv
