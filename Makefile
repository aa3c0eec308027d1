# The two commands for a newcomer are `make demo` and `make test`: each sets up all it needs.
# PYTHON=python3.12 chooses the interpreter, VENV=folder the environment, ARGS="-k name" goes to pytest.
VENV ?= .venv
PYTHON ?=
# One more than two cores: tests wait for servers much of the time.
JOBS ?= 3
ARGS ?=
TOOLS ?= .venv-tools
UV ?= $(abspath $(TOOLS))/bin/uv
# uv trusts the certificates of the system, as pip does: a network may have one of its own.
export UV_SYSTEM_CERTS ?= 1
export RESOLUTIONS ?= lowest newest
# What `make test-packages` runs of the suite.
export SUITE ?= -m "not full"

SHELL := /bin/bash
# What a user's environment sets for other projects must not reach this one.
unexport PYTHONPATH PYTHONHOME
# Tests start many processes: without files of bytecode each would compile, and rewrite for pytest, all that it imports.
unexport PYTHONDONTWRITEBYTECODE

DISTRIBUTIONS := kairos-cassandra kairos-core kairos-mongo kairos-redis kairos-sql tests-conformance
EXAMPLES := kairos-lmdb kairos-stats
# In per cent, of lines and branches together.
FLOORS ?= kairos-cassandra:90 kairos-core:95 kairos-mongo:90 kairos-redis:90 kairos-sql:90
RUN := $(VENV)/bin/python
PYTEST = $(RUN) -m pytest -n $(JOBS) --dist worksteal $(ARGS)
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs
SPHINX = $(RUN) -m sphinx --quiet --fresh-env --fail-on-warning --keep-going -c docs
TOOLS_READY := $(TOOLS)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test coverage test-all test-repository packages test-packages matrix bench pants docs docs-links lint workflows format lock licences audit changelog api clean $(DISTRIBUTIONS:%=test-%) $(EXAMPLES:%=test-%)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 18
	@printf 'test-%s\n' $(DISTRIBUTIONS) $(EXAMPLES)

demo: $(READY) ## load the flights of 2013 into one SQLite file and report on them
	@$(RUN) -m examples.flights.demo

test: $(READY) ## all tests, one configuration of each server
	$(PYTEST) -m "not full and not packages"

coverage: override ARGS += --cov --cov-report=
coverage: test ## test, with a floor under the branch coverage of each distribution
	@status=0; for floor in $(FLOORS); do \
		$(RUN) -m coverage report --include="$${floor%:*}/src/*" --fail-under="$${floor#*:}" || status=$$?; \
	done; exit $$status

test-all: $(READY) ## all tests, every configuration
	$(PYTEST) -m "not packages"

$(DISTRIBUTIONS:%=test-%): test-%: $(READY)
	$(PYTEST) -m "not full and not packages" $*/tests

$(EXAMPLES:%=test-%): test-%: $(READY)
	$(PYTEST) -m "not full and not packages" examples/$*/tests

test-repository: $(READY) ## the layering, the requirements and every code block of the documentation
	$(PYTEST) -m "not full and not packages" tests

packages: $(TOOLS_READY) ## build the wheels and sdists of all distributions into dist/, and check them
	@tools/build-packages $(TOOLS)

test-packages: packages $(READY) ## install the wheels alone, with the lowest and the newest dependencies, and test them
	@for resolution in $(RESOLUTIONS); do UV="$(UV)" $(RUN) tools/wheelhouse.py $$resolution || exit; done
	$(PYTEST) -m packages tests/packages

matrix: ## test-packages on each Python that is here
	@tools/find-python python3.11 python3.12 python3.13 >/dev/null
	@for version in 3.11 3.12 3.13; do \
		python=$$(tools/find-python python$$version 2>/dev/null) || { echo "no Python $$version here"; continue; }; \
		$(MAKE) test-packages PYTHON=$$python VENV=.venv-$$version || exit; \
	done

bench: $(READY) ## each verb against hand-written code on the same driver
	$(RUN) -m benchmarks.run $(ARGS)

pants: ## the goals of Pants on all that needs no server, with the release on the package index
	tools/pants-ci tailor --check lint check ::
	tools/pants-ci --tag=-server,full test package ::

docs: $(DOCS_READY) ## build the documentation into build/docs, with links and reference checked
	$(SPHINX) . build/docs

docs-links: $(DOCS_READY) ## ask other sites whether the links to them are still good
	$(SPHINX) -b linkcheck . build/links

lint: $(READY) ## ruff, ruff format and mypy, changing nothing
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

workflows: build/bin/actionlint ## check the workflows of GitHub; needs Go, or an actionlint at build/bin/
	build/bin/actionlint

format: $(READY) ## let ruff change what it can
	$(RUN) -m ruff check --fix
	$(RUN) -m ruff format

lock: $(TOOLS_READY) ## write the locks anew from requirements.txt, tools.txt and docs.txt
	cd 3rdparty/python && for list in requirements:default tools:tools docs:docs; do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
			--no-header --no-annotate $${list%:*}.txt -o $${list#*:}.lock || exit; \
	done

licences: $(DOCS_READY) $(TOOLS_READY) ## write the tables of docs/licences.md anew, after `make lock`
	$(RUN) tools/licences.py $(TOOLS)/bin/pip-licenses $(RUN) $(TOOLS)/bin/python

audit: $(TOOLS_READY) ## ask for known weaknesses of what the locks name
	@for lock in 3rdparty/python/*.lock; do \
		$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit; \
	done

changelog: $(TOOLS_READY) ## turn the news fragments of DISTRIBUTION into the changelog of VERSION
	$(TOOLS)/bin/towncrier build --yes --config towncrier.toml --dir $(DISTRIBUTION) --version $(VERSION)

api: $(READY) ## write tests/api/ anew, for a release: what changes after it has to be in a changelog
	$(RUN) tests/public_api.py

clean: ## remove the environment and what the tools left
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* .pants.d .pids dist build *.lmdb *.lmdb-lock
	find . \( -name __pycache__ -o -name .pytest_cache \) -prune -exec rm -rf {} +

$(READY): 3rdparty/python/default.lock $(wildcard */pyproject.toml examples/*/pyproject.toml) tools/setup-venv
	@tools/setup-venv "$(VENV)" "$(PYTHON)"
	@touch $@

$(DOCS_READY): $(READY) 3rdparty/python/docs.lock
	@tools/setup-venv "$(VENV)" "" 3rdparty/python/docs.lock
	@touch $@

$(TOOLS_READY): 3rdparty/python/tools.lock tools/setup-venv
	@tools/setup-venv "$(TOOLS)" "$(PYTHON)" 3rdparty/python/tools.lock
	@touch $@

# Its wheels fetch a binary from outside of the package index: this is built from the Go module. It is the last release
# that Debian 12's Go 1.19 builds, which .ci/run installs where there is none; and it needs no C compiler.
build/bin/actionlint:
	CGO_ENABLED=0 GOBIN=$(abspath build/bin) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
