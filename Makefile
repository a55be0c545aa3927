# Safelight: `make run` and `make test` set everything up by themselves; every target may be repeated.
SHELL := /bin/bash
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
PAGE   := src/safelight/web/page/index.html
UI     := $(shell find ui -name node_modules -prune -o -type f -print) $(wildcard src/safelight/locales/*.json)

SUDO    = $(shell [ "$$(id -u)" = 0 ] || echo sudo)
INSTALL = $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: setup run demo test test-slow lint bench peers page wheel clean help

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## the virtual environment with safelight and its tools, and the built page

$(VENV)/.ready: pyproject.toml emit/pyproject.toml hatch_build.py ui/package-lock.json
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ./emit
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

page: setup $(PAGE) ## the web page, built again when its sources have changed

$(PAGE): $(UI) | $(VENV)/.ready
	cd ui && { test -d node_modules || npm ci --ignore-scripts --no-audit --no-fund; } && npm run --silent build
	touch $@

run: setup page ## Safelight on http://127.0.0.1:8678
	$(BIN)/safelight up

demo: setup page ## the same, filled by a simulated studio, in a data directory of its own
	$(BIN)/safelight up --demo

peers: ## what the tests need of Debian: Chromium, a Chinese font, Prometheus, Alertmanager (installed, not left running)
	@{ command -v chromium && fc-list :lang=zh | grep -q .; } >/dev/null 2>&1 || { $(INSTALL) chromium fonts-noto-cjk; }
	@{ command -v prometheus && command -v prometheus-alertmanager; } >/dev/null 2>&1 || { \
	  $(INSTALL) prometheus prometheus-alertmanager && \
	  { [ ! -d /run/systemd/system ] || $(SUDO) systemctl disable --quiet --now prometheus prometheus-alertmanager; }; }

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup page peers lint ## everything but the soaks and the measurements
	cd ui && npm run --silent check && npm test --silent -- --run
	$(PYTEST) -n 2 -m "not slow and not bench and not web"
	$(PYTEST) -n 2 -m "web" tests/web # apart: Playwright keeps an event loop running in its process

test-slow: setup page peers
	$(PYTEST) -m "slow" --timeout 1800

bench: setup
	$(PYTEST) -m "bench" -s -p no:randomly --timeout 1800

wheel: setup ## both wheels in dist/, the page inside
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --wheel --outdir dist .
	$(BIN)/python -m build --wheel --outdir dist emit

clean:
	rm -rf $(VENV) dist ui/node_modules src/safelight/web/page
