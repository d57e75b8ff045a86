# Everything one does with Tollway. Bare `make` lists it.
VENV := $(or $(TOLLWAY_VENV),.venv)
PYTHON := $(VENV)/bin/python
export PATH := $(abspath $(VENV))/bin:$(PATH)
ARGS ?=
# Two at a time, the stories of one file one after the other: they share its gateways.
STORIES := -n 2 --dist loadfile tests/journeys

.PHONY: help serve doctor test check fast unit journeys bench bench-books lock
help: ## list these
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

serve: ## start Tollway (TOLLWAY_PORT, TOLLWAY_DATA_DIR, TOLLWAY_DATABASE_URL choose port, folder, database)
	@bin/bootstrap serve
	@exec $(PYTHON) -m tollway serve $(ARGS)

doctor: ## say what is configured, reachable, priced and wrong
	@bin/bootstrap serve
	@exec $(PYTHON) -m tollway doctor $(ARGS)

test: ## run every test, journeys with the vendors' SDKs included
	@bin/bootstrap dev
ifeq ($(strip $(ARGS)),)
	$(PYTHON) -m pytest -n 2 --ignore=tests/journeys
	$(PYTHON) -m pytest $(STORIES)
else
	$(PYTHON) -m pytest $(ARGS)
endif

check: fast unit ## the gate: format, lint, types, imports, house, unit tests; under a minute, no network

fast: ## the fast half of the gate: format, lint, types, imports, house
	@bin/bootstrap dev
	$(PYTHON) -m ruff format --check --quiet
	$(PYTHON) -m ruff check --quiet
	$(PYTHON) -m mypy --no-error-summary
	lint-imports --no-logo
	$(PYTHON) -m pytest tests/house

unit: ## unit tests and laws only
	@bin/bootstrap dev
	$(PYTHON) -m pytest -n 2 --hypothesis-profile=quick --ignore=tests/journeys --ignore=tests/house

journeys: ## stories over real HTTP only
	@bin/bootstrap dev
	$(PYTHON) -m pytest $(STORIES)

bench: ## measure Tollway beside nginx and LiteLLM on this machine
	@bin/bootstrap dev
	$(PYTHON) -m bench $(ARGS)

bench-books: ## torment the gateway (kills, stops, faults) and compare its books with the provider's, call by call
	@bin/bootstrap dev
	$(PYTHON) -m bench.books $(ARGS)

lock: ## write both lock files anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q \
	  $(ARGS) -o requirements.lock
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate -q $(ARGS) -c requirements.lock -o requirements-dev.lock
