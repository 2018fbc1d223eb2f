# `make setup` is all that a fresh machine with Python 3.11, git and make needs; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-pg15 check openapi bench clean

help: ## Show what can be made
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

setup: $(BIN)/uv ## Make everything ready: a virtual environment with the locked dependencies
	UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --system-certs --frozen --inexact --python $(BIN)/python
	@echo "Ready. Next: make demo"

demo: ## Run a desk with simulated customers and agents; Ctrl-C ends it
	@$(BIN)/omnidesk demo

test: ## The suite, on an embedded PostgreSQL (under five minutes on two cores)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: ## Kills, load, real mail servers under stress, browsers
	$(BIN)/pytest -m slow

test-pg15: ## What talks to the database, on the system's PostgreSQL 15 where it is installed
	$(BIN)/python -m tests.pg15 $(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow" tests/db tests/desk tests/api

check: ## Style, types, floors, and migrations up and down
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_migrations.py

openapi: ## Write the API's description, docs/openapi.json, anew
	$(BIN)/python -m tests.api.contract

bench: ## Measure the budgets; writes bench/results/latest.json
	$(BIN)/python -m bench

clean: ## Remove what make setup made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
