# Everything is run through here; `make help` lists it. Only `make`, `git` and Python 3.11 to 3.13 have to be there.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help run train test check format lock lock-check stage-function bench-serving bench-engine hostile faults images clean \
	clean-results

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | awk -F': ' '{printf "  make %-16s %s\n", $$1, $$2}'

.venv/.installed: requirements/all.txt tools/install.sh
	@tools/install.sh

artifacts/iris/model.json: | .venv/.installed
	@$(PY) -m training

run: .venv/.installed artifacts/iris/model.json ## start both endpoints and the dashboard; Ctrl+C stops all
	@exec $(PY) -m tools.run

train: .venv/.installed ## train into artifacts/iris; other data: make train DATASET=diabetes
	@$(PY) -m training $(if $(DATASET),--dataset $(DATASET))

stage-function: .venv/.installed artifacts/iris/model.json ## fill build/function with exactly what is deployed
	@$(PY) -m deploy.stage_function $(DEPLOY)

test: .venv/.installed artifacts/iris/model.json ## run all tests (installs a Chromium if there is none)
	@tools/chromium.sh
	@$(PY) -m pytest

check: .venv/.installed ## format, lint, types, import rules, pins
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@tools/lock.sh --check

format: .venv/.installed ## format and mend what can be mended
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

lock: .venv/.installed ## compile requirements/ from pyproject.toml; to move the pins: tools/lock.sh --upgrade
	@tools/lock.sh

lock-check: .venv/.installed ## fail where requirements/ is not what pyproject.toml asks for
	@tools/lock.sh --check

bench-serving: .venv/.installed artifacts/iris/model.json ## cold start, throughput, memory and the page, against reference servers
	@$(PY) -m tools.bench_serving
	@tools/chromium.sh
	@$(PY) -m tools.bench_dashboard

bench-engine: .venv/.installed ## how true and how strong the measurement engine is, against a raw socket
	@$(PY) -m tools.bench_engine

hostile: .venv/.installed artifacts/iris/model.json ## hostile requests to both endpoints, one line of figures
	@$(PY) -m tools.hostile

faults: .venv/.installed artifacts/iris/model.json ## kill, damage, starve and soak both endpoints, a line each
	@$(PY) -m tools.faults

images: .venv/.installed artifacts/iris/model.json ## build and run the images: size, health, a prediction, SIGTERM
	@$(PY) -m tools.images $(IMAGES)

deploy-function deploy-function-gen2: deploy-%: stage-function
	@$(PY) -m deploy $(DEPLOY) $* --run

deploy-build-api deploy-build-dashboard: deploy-%: artifacts/iris/model.json
	@$(PY) -m deploy $(DEPLOY) $* --run

deploy-%: .venv/.installed ## run one step of DEPLOY.md; print it only: python -m deploy STEP
	@$(PY) -m deploy $(DEPLOY) $* --run

clean: ## remove what can be made again, .venv included; what was measured stays
	rm -rf .venv artifacts build

clean-results: ## delete everything that was measured (results/)
	rm -rf results
