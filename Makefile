# Everything a developer runs. Each target prepares what it needs by itself (packaging/bootstrap.sh), so a fresh
# clone needs nothing but git and make.

SHELL := /bin/sh
BOOTSTRAP := packaging/bootstrap.sh
PYTHON := .venv/bin/python
SEEDS ?= 2000
HOSTS ?= 3

.DEFAULT_GOAL := help
.PHONY: help check test verify bench simulate demo lab dev ui lock clean

help:
	@echo "make demo             three Docker hosts on this machine, an agent on each, a sample app (root on Linux)"
	@echo "make test             all checks and tests: about half an hour on two cores"
	@echo "make check            format, lint, types, architecture; no root, no Docker"
	@echo "make verify           the long matrices: many examples, many simulation seeds; resumes"
	@echo "make bench            the benchmarks beside their anchors"
	@echo "make simulate SEEDS=n simulate n seeded clusters; resumes"
	@echo "make lab HOSTS=n      n bare Docker hosts on this machine"
	@echo "make dev              prepare this tree for working on it"
	@echo "make ui               build the dashboard into web/static"
	@echo "make lock             write requirements.lock anew from pyproject.toml"
	@echo "make clean            remove everything that was made here"

check:
	@$(BOOTSTRAP) python
	@$(PYTHON) packaging/run_stages.py check

test:
	@$(BOOTSTRAP) python lab browser databases ui clients
	@$(PYTHON) packaging/run_stages.py test

verify:
	@$(BOOTSTRAP) python lab browser databases ui clients
	@HYPOTHESIS_PROFILE=ci $(PYTHON) packaging/run_stages.py verify
	@$(MAKE) --no-print-directory simulate SEEDS=20000

bench:
	@$(BOOTSTRAP) python lab databases ui bench
	@$(PYTHON) -m tests.benchmarks

# The order of sets of strings is part of what a seed reproduces.
simulate:
	@$(BOOTSTRAP) python
	@PYTHONHASHSEED=0 $(PYTHON) -m tests.simulation --seeds $(SEEDS)

# Three hosts need root on Linux and a dockerd; elsewhere one agent manages the machine's own Docker.
demo:
	@$(BOOTSTRAP) python ui lab
	@if [ "$$(uname -s)" = Linux ] && [ "$$(id -u)" = 0 ] && command -v dockerd >/dev/null 2>&1; then \
		exec .venv/bin/tower demo; \
	else \
		echo "demo: three hosts need root on Linux with dockerd; starting one agent on this machine's own Docker" >&2; \
		exec .venv/bin/tower demo --single; \
	fi

lab:
	@$(BOOTSTRAP) python lab
	@.venv/bin/tower lab up --hosts $(HOSTS)

dev:
	@$(BOOTSTRAP) python lab browser databases ui clients
	@echo "ready: . .venv/bin/activate"

ui:
	@$(BOOTSTRAP) python ui

# The index is named so that the lock does not depend on this machine's settings; the file itself names none.
lock: LOCK := .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-config \
	 --default-index https://pypi.org/simple $(if $(UPGRADE),--upgrade)
lock:
	@$(BOOTSTRAP) python
	$(LOCK) --python-version 3.11 --extra assistant --extra dev --output-file requirements.lock pyproject.toml
	$(LOCK) --python-version 3.11 --output-file tests/support/sdk1/requirements.lock tests/support/sdk1/requirements.in
	$(LOCK) --python-version 3.12 --output-file tests/benchmarks/mcp_server_docker/requirements.lock \
		tests/benchmarks/mcp_server_docker/requirements.in

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist web/static \
		web/ui/node_modules tests/support/inspector/node_modules tests/support/conformance/node_modules \
		tests/support/sdk1/.venv tests/benchmarks/mcp_server_docker/.venv
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
