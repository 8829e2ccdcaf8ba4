# Every target sets up .venv by itself; nothing is needed beforehand but Python 3.11+, g++, make and perl.

VENV ?= .venv
SEEDS ?= 1000
LAYERS ?= 200
SCHEDULES ?= 5000
JOBS ?= 2
BOARD ?= ulx3s-85f
CONFIG ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.dovetail-installed
BASE_PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))

.DEFAULT_GOAL := help
.PHONY: help run fpga test regress synthesis formal lint clean distclean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

run: $(STAMP) ## a ResNet layer (C2) on the cycle-accurate RTL, compared with a reference
	@$(BIN)/dovetail run C2 --device rtl

fpga: $(STAMP) ## a bitstream with open tools, in build/fpga; BOARD=name, CONFIG=name
	@$(BIN)/dovetail fpga build $(BOARD) $(if $(CONFIG),--config $(CONFIG))

test: $(STAMP) ## all tests but the proofs and those of synthesis
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --ignore=tests/formal -m "not slow and not synthesis"

regress: $(STAMP) ## SEEDS=n random programs, LAYERS=n layers, SCHEDULES=n schedules; JUnit in build/regress.xml
	@mkdir -p build
	@DOVETAIL_SEEDS=$(SEEDS) DOVETAIL_LAYERS=$(LAYERS) DOVETAIL_SCHEDULES=$(SCHEDULES) $(BIN)/python -m pytest -q \
		tests/regress tests/compiler/test_random_schedules.py tests/fpga/test_netlist.py tests/dovetail/tuning/test_kills.py \
		--junitxml=build/regress.xml

synthesis: $(STAMP) ## what synthesis makes of the machine: the netlist against the RTL, a small bitstream
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "synthesis and not slow" tests/fpga

formal: $(STAMP) ## the proofs: token queues, AXI rules, illegal instructions
	@$(BIN)/python -m pytest -q tests/formal

lint: $(STAMP) ## ruff, mypy, import-linter
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache

clean: ## remove caches and build outputs, but not .venv
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -path './$(VENV)' -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## the same, and .venv
	@rm -rf $(VENV)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(BASE_PYTHON)" || { echo "missing: Python 3.11 or later; install python3 (Debian, Ubuntu: apt install python3 python3-venv)" >&2; exit 1; }
	@$(BASE_PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "missing: Python's venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@command -v g++ >/dev/null || { echo "missing: g++; install it (Debian, Ubuntu: apt install g++)" >&2; exit 1; }
	@command -v perl >/dev/null || { echo "missing: perl; install it (Debian, Ubuntu: apt install perl)" >&2; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or two)"
	@test -x $(BIN)/python && $(BIN)/python -c 'import pip' 2>/dev/null || $(BASE_PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt setuptools
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt --no-build-isolation -e '.[sim,fpga,formal,bench,models,tune,dev]'
	@touch $@
