# Needs make and Python >= 3.11; uses uv when it is there. `make help` lists what can be made.

# uv installs exactly what uv.lock names; `make UV= test` does without it.
UV ?= uv
# The Python to make .venv with; the first that is 3.11 or newer when none is named.
PYTHON ?=
# Passed on, as in `make test ARGS="tests/model -k claim"`.
ARGS ?=

# Some machines set it. The tests start thousands of processes: each would compile what it imports, half of all the time.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python

.ONESHELL:
.SHELLFLAGS := -eu -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: run test check bench bench-quick torture clean help again

run: $(READY) ## set up, start the daemon here, print inbox, board and the next three commands
	@exec $(VENV)/bin/dt up $(ARGS)

test: $(READY) ## set up and run every test, the torture suite's short run among them
	@exec $(RUN) -m pytest -n auto --dist worksteal $(ARGS)

check: $(READY) ## format, lint, types and floors (no tests: before a commit run `make check test`)
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
	ruff format --check .
	ruff check .
	mypy
	lint-imports

torture: $(READY) ## the torture suite's long run: kills, faults and races
	@exec $(RUN) -m pytest tests/torture --long -o faulthandler_timeout=7200 $(ARGS)

bench: $(READY) ## every workload, side by side with the peers that are installed
	@exec $(RUN) -m benchmarks $(ARGS)

bench-quick: $(READY) ## the same in small, to see that it runs
	@exec $(RUN) -m benchmarks --quick $(ARGS)

clean: ## remove what make made; never runtime/, where the board is
	@rm -rf $(VENV) dist build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './runtime/*' -prune -exec rm -rf {} +

help: ## this list
	@echo "make TARGET [ARGS=...]"
	sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 16

# The environment is ready when the stamp names this folder (a moved .venv does not work) and its Python runs.
ifneq ($(CURDIR),$(shell $(RUN) -c '' 2>/dev/null && cat $(READY) 2>/dev/null))
$(READY): again
endif

$(READY): pyproject.toml uv.lock
	@if [ -e $(READY) ] && [ "$$(cat $(READY))" != "$(CURDIR)" ]; then
	    rm -rf $(VENV) # the folder was moved or copied, and the scripts in it name the old one
	fi
	rm -f $(READY)
	usable() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
	python="$(PYTHON)"
	if [ -n "$$python" ]; then
	    usable "$$python" || { echo "error: PYTHON=$$python is not a Python >= 3.11" >&2; exit 2; }
	elif usable $(RUN) && [ "$$($(RUN) -c 'import sys; print(sys.prefix)')" = "$(CURDIR)/$(VENV)" ]; then
	    python=$(RUN)
	else
	    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
	        if usable $$candidate; then python=$$candidate; break; fi
	    done
	fi
	if [ -n "$(UV)" ] && $(UV) --version >/dev/null 2>&1; then
	    echo "setting up $(VENV) with uv" >&2
	    unset VIRTUAL_ENV
	    UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --quiet --frozen --group dev $${python:+--python "$$python"}
	elif [ -n "$$python" ]; then
	    echo "setting up $(VENV) with pip" >&2
	    if [ "$$python" != $(RUN) ] || ! $(RUN) -m pip --version >/dev/null 2>&1; then
	        "$$python" -m venv --clear $(VENV) || {
	            echo "error: $$python cannot make a virtual environment" >&2
	            echo "fix: install uv, or the venv module (Debian, Ubuntu: apt install python3-venv)" >&2
	            exit 2
	        }
	    fi
	    pip="$(RUN) -m pip --quiet --disable-pip-version-check install"
	    $$pip --upgrade 'pip>=25.1' # 25.1 is the first that installs dependency groups
	    $$pip --editable . --group dev
	else
	    echo "error: no Python >= 3.11 found (looked for python3, python3.14 ... python3.11)" >&2
	    echo "fix: install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2
	    exit 2
	fi
	echo "$(CURDIR)" > $(READY)
