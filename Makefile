# Everything is run through here; `make help` lists it. Only `make`, `git` and Python 3.11 to 3.13 have to be there.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/sh
PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help run train test test-fast test-slow check docs format lock lock-check stage-function bench-serving bench-dashboard \
	bench-engine bench-scale pictures peers extras hostile faults images bare clean clean-results .run-packages .all-packages

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-27s %s\n", $$1, $$2}' Makefile

# What is needed to serve, train, measure and deploy; and, on top of it, to test and check. Quick where nothing has changed.
.run-packages:
	@tools/install.sh run

.all-packages:
	@tools/install.sh all

# An option with the value of a variable of make's command line; a shell may have a NAME or COLUMNS of its own.
given = $(if $(filter command,$(origin $(1))),--$(2) "$$$(1)")

artifacts/iris/model.json: | .run-packages
	@$(PY) -m training

extras: ## install what is optional: the protocol oip-grpc, estimators in the formats of skops and MLflow, loads on many machines
	@tools/install.sh extras

run: .run-packages $(if $(MODEL),,artifacts/iris/model.json) ## start the endpoints and the dashboard; MODEL=houses: another model; IDIOMATIC=1: a third endpoint
	@MAKE_PID=$$PPID exec $(PY) -m tools.run

train: .run-packages ## train artifacts/iris; other data: make train CSV=houses.csv TARGET=price, or DATASET=diabetes
	@$(PY) -m training $(if $(DATASET),--dataset $(DATASET)) $(call given,CSV,csv) $(call given,TARGET,target) \
		$(call given,TASK,task) $(call given,DROP,drop) $(call given,COLUMNS,columns) $(call given,NAME,name) \
		$(call given,ESTIMATOR,estimator) $(if $(TRUST),--trust)

stage-function: .run-packages artifacts/iris/model.json ## fill build/function with exactly what is deployed
	@$(PY) -m deploy.stage_function $(DEPLOY)

# Each worker begins with a contiguous half, so that tests share what they start; one that is done takes over from the other.
TESTS = $(PY) -m pytest --numprocesses auto --dist worksteal

test: .all-packages artifacts/iris/model.json ## run the tests, with a real browser (installs a Chromium if there is none)
	@tools/chromium.sh
	@$(TESTS) -m "not slow"

test-fast: .all-packages artifacts/iris/model.json ## the tests of a minute: no browser, no deployed programs
	@$(TESTS) -m "not slow" tests/api tests/benchmark/cost tests/benchmark/decision tests/benchmark/endpoints tests/benchmark/monitor tests/benchmark/observation \
		tests/benchmark/record tests/benchmark/reports tests/benchmark/summary tests/dashboard/components tests/docs tests/inference \
		--ignore tests/benchmark/summary/test_calibration.py

test-slow: .all-packages artifacts/iris/model.json ## soaks, calibrations, and sweeps over hostile input, windows and environments
	@tools/chromium.sh
	@$(TESTS) -m slow

check: .all-packages ## format, lint, types, import rules, pins
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@tools/lock.sh --check

docs: .all-packages ## build the documentation into build/site; a broken link fails
	@DISABLE_MKDOCS_2_WARNING=true .venv/bin/properdocs build --quiet

format: .all-packages ## format and mend what can be mended
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

lock: .all-packages ## compile requirements/ from pyproject.toml; to move the pins: tools/lock.sh --upgrade
	@tools/lock.sh

lock-check: .all-packages ## fail where requirements/ is not what pyproject.toml asks for
	@tools/lock.sh --check

bench-serving: .all-packages artifacts/iris/model.json ## cold start, throughput and memory, against reference servers
	@$(PY) -m tools.bench_serving

bench-dashboard: .all-packages artifacts/iris/model.json ## what the pages cost, and how exactly Predict observes
	@tools/chromium.sh
	@$(PY) -m tools.bench_dashboard
	@$(PY) -m tools.bench_observation

peers: .run-packages artifacts/iris/model.json ## compare other servers of the same model: make peers PEERS="mlserver litserve"
	@$(PY) -m tools.peers $(PEERS)

bench-engine: .all-packages ## how true and how strong the measurement engine is, against a raw socket
	@$(PY) -m tools.bench_engine

bench-scale: .all-packages ## what a load on 1, 2 and 4 workers reaches, and what limits 10 to 1000
	@$(PY) -m tools.bench_scale

pictures: .all-packages artifacts/iris/model.json ## take the pictures of the documentation again
	@tools/chromium.sh
	@$(PY) -m tools.pictures

hostile: .all-packages artifacts/iris/model.json ## hostile input to endpoints, command line and pages, a line of figures each
	@tools/chromium.sh
	@$(PY) -m tools.hostile

faults: .all-packages artifacts/iris/model.json ## kill, damage, starve and soak both endpoints, a line each
	@$(PY) -m tools.faults

images: .run-packages artifacts/iris/model.json ## build and run the images: size, health, a prediction, SIGTERM
	@$(PY) -m tools.images $(IMAGES)

bare: ## make train in a fresh clone, with git, make, the system's tools and a Python alone
	@tools/bare.sh

# The steps of DEPLOY.md, in their order. To print one without running it: python -m deploy STEP
deploy-enable: ## switch on the services that are used
deploy-prepare: ## a registry for the images, and an account for each program
deploy-build-api: ## build the API's image
deploy-build-dashboard: ## build the dashboard's image
deploy-api: ## deploy the API
deploy-function: ## deploy the function
deploy-function-gen2: ## deploy the function, in the older form
deploy-grant: ## let the dashboard call both endpoints
deploy-urls: ## ask for the endpoints' addresses
deploy-dashboard: ## deploy the dashboard
deploy-open: ## open the private dashboard at http://127.0.0.1:8501
deploy-clean-up: ## delete what the steps above have made
deploy-clean-up-gen2: ## delete the function that `function-gen2` has made
deploy-clean-up-shared: ## delete what builds leave behind; only in a dedicated project
deploy-clean-up-shared-gen2: ## the same for `function-gen2`
deploy-build-api deploy-build-dashboard: artifacts/iris/model.json
deploy-function deploy-function-gen2: stage-function
deploy-%: .run-packages
	@$(PY) -m deploy $(DEPLOY) $* --run

clean: ## remove what can be made again, .venv included; what was measured stays
	rm -rf .venv artifacts build

clean-results: ## delete everything that was measured (results/)
	rm -rf results
