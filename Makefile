# Every command of the project. `make demo` and `make test` are all a newcomer needs: each does its own set-up on a clean
# Debian 12 with Python 3.11 or later, as root or with sudo.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
# Root's home is closed to others, and the embedded PostgreSQL does not run as root: for root the environment lives
# outside of any home (docs/decisions/0002-where-things-live.md).
ifeq ($(shell id -u),0)
HERE := $(shell printf %s "$(CURDIR)" | cksum | cut -d' ' -f1)
VENV ?= /var/cache/dialtrace/$(HERE)/venv
SUDO :=
else
VENV ?= $(CURDIR)/.venv
SUDO := sudo
endif
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
# libatomic1: the driver of playwright needs it, and nothing else here brings it.
SYSTEM := python3-venv curl uuid-runtime sip-tester kamailio espeak-ng opus-tools lame chromium libatomic1 prometheus \
  prometheus-alertmanager tcpdump
JOBS ?= 2

CALLS ?= 100
# What two slow cores carry beside SIPp, with room to spare; the books of an overload would not balance.
RATE ?= 5
NODES ?= 1
SEED ?= 1
# KEEP=1: the platform goes on after the books, with Prometheus reading it.
KEEP ?=

.PHONY: help
help: ## list every target
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## bring the platform up, send real SIP calls, balance the books (CALLS=, RATE=, NODES=, SEED=, KEEP=1)
	$(BIN)/dialtrace demo --calls $(CALLS) --rate $(RATE) --nodes $(NODES) --seed $(SEED) $(if $(KEEP),--keep --prometheus)

.PHONY: up
up: setup ## start the platform and keep it running
	$(BIN)/dialtrace up

.PHONY: test
test: setup check ## set everything up, check the code and pass every test
	PATH="$(BIN):$$PATH" tools/run-tests -n $(JOBS) --dist loadgroup -q -m "not slow"

.PHONY: check
check: setup lint types ## lint, format and types, as CI runs them

.PHONY: lint
lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: setup typed/dialtrace ## mypy
	$(BIN)/mypy

typed/dialtrace:
	mkdir -p typed && ln -sfn ../platform typed/dialtrace

.PHONY: format
format: setup ## put the code into its form
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

.PHONY: test-fast
test-fast: setup ## unit tests only
	$(BIN)/pytest -n $(JOBS) -q tests/unit tests/architecture

.PHONY: prove
prove: setup ## what runs longer: every test, the slow ones too, and the benchmarks
	DIALTRACE_SHARDS=strict $(BIN)/pytest -n $(JOBS) -q
	$(BIN)/python -m dialtrace.loadtest.partner_day
	$(BIN)/python loadtest/bench_esl.py
	$(BIN)/python loadtest/chaos.py --short

.PHONY: test-postgres15
test-postgres15: setup ## the tests on Debian's PostgreSQL 15
	tools/install-system "$(SUDO)" postgresql-15
	tests/with-postgres15 $(BIN)/pytest -n $(JOBS) -q -m "not slow" tests/integration

.PHONY: docs
docs: setup ## make the pages that come from the code
	$(BIN)/dialtrace settings --markdown > docs/settings.md
	$(BIN)/dialtrace events schemas --markdown > docs/events.md
	$(BIN)/python -m dialtrace.cdr.field_list > docs/cdr-fields.md
	$(BIN)/python -m dialtrace.reports.page > docs/metric-dictionary.md
	$(BIN)/python -m dialtrace.monitoring.metrics_page > docs/metrics.md
	$(BIN)/python -m dialtrace.monitoring.make

.PHONY: texts
texts: setup ## gather the console's texts into platform/console/texts/*.po
	$(BIN)/python -m dialtrace.console.gathering

.PHONY: lock
lock: setup ## resolve the ranges of setup.py anew into requirements.lock, with hashes
	$(BIN)/uv pip compile setup.py --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade --quiet -o requirements.lock

.PHONY: audit
audit: setup ## ask PyPI's vulnerability database about everything in requirements.lock (SECURITY.md; needs the network)
	$(BIN)/uv tool run pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

.PHONY: wheel
wheel: setup ## build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation -w dist .

.PHONY: setup
setup: $(STAMP) ## install what Debian and PyPI must give (done once)

$(STAMP): requirements.lock setup.py pyproject.toml tests/browser/package-lock.json tools/install-system tools/install-locked
	tools/install-system "$(SUDO)" $(SYSTEM)
	$(PYTHON) -m venv "$(VENV)"
	tools/install-locked "$(BIN)"
	"$(BIN)/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	cd tests/browser && PATH="$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	touch "$@"

.PHONY: clean
clean: ## remove what was made here
	rm -rf "$(VENV)" build dist *.egg-info typed .pytest_cache .mypy_cache .ruff_cache
