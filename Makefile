# Every target makes its own .venv from python3 (3.11 or newer) and pip, and installs only once:
# the stamps below carry a checksum of what decides on an installation.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KEY := $(shell cat setup.cfg pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
DEV := $(VENV)/.dev-$(KEY)
DEMO := $(or $(wildcard $(DEV)),$(VENV)/.demo-$(KEY))
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test test-triton lint format types bench wheel clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(DEMO) ## the whole loop on real data, about three minutes; writes build/demo/report.html
	$(BIN)/encas demo --out build/demo
	@echo "The report is in $(CURDIR)/build/demo/report.html"

test: $(DEV) ## every test
	$(BIN)/python -m pytest $(PYTEST)

test-triton: $(DEV) ## every layout on a real Triton server, which comes with a wheel (Linux)
	bash tests/serving/install_triton.sh build/triton
	$(BIN)/python -m pytest -m triton $(PYTEST)

lint: $(DEV) ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV) ## put the formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV) ## strict types of the sources
	$(BIN)/basedpyright

bench: $(DEV) ## every benchmark; the JSON goes to build/bench
	@mkdir -p build/bench
	@failed=; for script in benchmarks/*.py; do \
	    name=$$(basename $$script .py); code=0; \
	    echo "== $$name"; \
	    $(BIN)/python $$script | tee build/bench/$$name.json || code=$$?; \
	    case $$code in 0|77) ;; *) failed="$$failed $$name";; esac; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

wheel: $(DEV) ## build/dist/encas-VERSION-py3-none-any.whl
	rm -rf build/lib build/bdist.*
	$(BIN)/python -m build --wheel --no-isolation --outdir build/dist .

clean: ## remove what the other targets made, .venv included
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/.dev-$(KEY): | $(BIN)/pip
	$(call install,dev)

$(VENV)/.demo-$(KEY): | $(BIN)/pip
	$(call install,demo)

define install
	$(PIP) install --constraint constraints.txt setuptools wheel
	$(PIP) install --constraint constraints.txt --no-build-isolation --editable '.[$(1)]'
	rm -f $(VENV)/.dev-* $(VENV)/.demo-*
	touch $@
endef

# Debian splits ensurepip off: without it, the pip of $(PYTHON) puts a pip into the environment.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("encas needs Python 3.11 or newer, got " + sys.version.split()[0] + "; try make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	    $(PYTHON) -m venv $(VENV); \
	else \
	    $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; \
	fi
