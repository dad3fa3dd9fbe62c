# What developers do often. `make` lists it; `make check` is what CI runs.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup up demo test test-fast stories crash hostile schemathesis services chaos chaos-gate chaos-mutants bench lint types house fmt migrations schema openapi volume lock audit check docs

help:  ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | awk -F'|' '{printf "  %-14s %s\n", $$1, $$2}'

setup:  ## Build .venv with everything that developers need, and the hooks of git
	$(PYTHON) manage.py version
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	$(BIN)/pre-commit install

up:  ## Web, worker and sandbox on this machine; Ctrl-C ends all
	$(PYTHON) manage.py quickstart

demo:  ## The main job from end to end
	$(PYTHON) manage.py demo

test:  ## All tests but those that need Redis
	$(PYTHON) manage.py test

test-fast:  ## The tests of plain values and of the house; no database
	$(PYTHON) manage.py test core tasks processors tests/test_house.py tests/test_tidy.py

stories:  ## Months of billing through the doors
	$(PYTHON) manage.py test -m stories

crash:  ## A fault at every boundary
	$(PYTHON) manage.py test -m crash

hostile:  ## 10,000 hostile requests at every route of real web processes
	HOSTILE_REQUESTS=10000 $(PYTHON) manage.py test -n 0 -m hostile tests/hostile

schemathesis:  ## The API against its own description, every check; some minutes
	$(PYTHON) manage.py test -n 0 -m described tests/described

services:  ## The tests with real Celery workers, on a Redis of their own
	PYTHON=$(PYTHON) .ci/services

chaos:  ## 100,000 occurrences under every fault; at most 20 minutes on two cores
	$(PYTHON) manage.py version
	$(BIN)/python -m tests.chaos run

chaos-gate:  ## The small chaos that CI runs; needs redis-server
	$(PYTHON) manage.py version
	$(BIN)/python -m tests.chaos gate

chaos-mutants:  ## Broken variants of Billy, each of which the judge must see
	$(PYTHON) manage.py version
	$(BIN)/python -m tests.chaos mutants

bench:  ## How fast it is here, beside the limit; with the picture for the docs
	$(PYTHON) manage.py bench --json var/bench.json --plot docs/images/performance.png

lint:  ## Rules and format of the source
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:  ## Types, strictly
	$(BIN)/mypy .

house:  ## The order of the rooms
	$(PYTHON) manage.py test tests/test_house.py tests/test_tidy.py

fmt:  ## Format the source and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

migrations:  ## Write the migrations that the models ask for
	$(PYTHON) manage.py makemigrations

schema:  ## Write down what the migrations make, for `verify`; after every migration
	$(PYTHON) manage.py verify --write-schema

openapi:  ## Write the description of the API, after every change of it
	$(PYTHON) manage.py spectacular --format openapi-json --fail-on-warn --file billy/api/openapi.json

volume:  ## Measure `verify` on a million occurrences, which it makes first
	$(BIN)/python -m tests.volume

lock:  ## Resolve requirements*.in anew, with hashes (needs uv, which nothing else does)
	uv pip compile --universal --python-version 3.11 --generate-hashes --quiet requirements.in --output-file requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --quiet requirements-dev.in --constraints requirements.txt --output-file requirements-dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --quiet requirements-audit.in --output-file requirements-audit.txt

audit:  ## Known defects of what is installed (asks the Internet), and its list: var/sbom.json
	$(PYTHON) -m venv var/audit
	var/audit/bin/python -m pip install --quiet --require-hashes -r requirements-audit.txt
	var/audit/bin/cyclonedx-py requirements requirements.txt --output-reproducible --output-file var/sbom.json
	var/audit/bin/pip-audit --requirement requirements.txt --requirement requirements-dev.txt --no-deps --disable-pip

docs:  ## Look for links that lead nowhere
	$(PYTHON) manage.py test tests/test_docs.py tests/test_docs_examples.py

check:  ## What CI runs
	.ci/run
