# Relative paths only, and modules rather than scripts where a module can be run: a path with a
# space in it must work.
PYTHON ?= python3
TEST_ARGS ?= -n auto

VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help demo test slow notebooks pictures lint format types floors benchmark check clean

help: ## list the targets
	@echo "usage: make TARGET [PYTHON=python3.11]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## what a server crash does to learning with a server, and without one
	@$(RUN) braintorrent run server_crash --seed 0 --seed 1 --seed 2 --out results/demo

test: $(READY) ## the quick tests
	$(RUN) pytest $(TEST_ARGS)

slow: $(READY) ## the tests that take longer
	$(RUN) pytest -m slow

notebooks: $(READY) ## run the notebooks of analysis/, and what they need
	$(RUN) pytest --nbmake --nbmake-timeout 900 --durations 3 analysis

pictures: $(READY) ## the README's pictures anew, from the shipped scenarios (over an hour)
	$(RUN) braintorrent run server_crash
	$(RUN) braintorrent sweep failure_rate_sweep
	$(RUN) braintorrent plot results/server_crash --out analysis/pictures/server_crash.png
	$(RUN) braintorrent plot results/failure_rate_sweep_sweep --out analysis/pictures/failure_rate.png
	$(RUN) braintorrent run brains_quick
	$(RUN) braintorrent subjects brains_quick --out analysis/pictures/brains_subjects.png
	$(RUN) braintorrent predict results/brains_quick --protocol braintorrent --out results/brains_quick/prediction.nii.gz
	cp results/brains_quick/prediction.png analysis/pictures/brains_prediction.png
	$(RUN) braintorrent run brains_paper
	$(RUN) braintorrent run brains_server_crash
	$(RUN) braintorrent sweep brains_clients
	$(RUN) braintorrent plot results/brains_paper --figure structures --out analysis/pictures/brains_structures.png
	$(RUN) braintorrent plot results/brains_server_crash --out analysis/pictures/brains_server_crash.png
	$(RUN) braintorrent plot results/brains_clients_sweep --out analysis/pictures/brains_clients.png

lint: $(READY) ## ruff: rules and format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: $(READY) ## let ruff rewrite the code, and strip notebooks of what running them left
	$(VENV)/bin/nbstripout --extra-keys metadata.language_info analysis/*.ipynb
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: $(READY) ## mypy --strict
	$(RUN) mypy

floors: $(READY) ## import-linter: an import may only point down
	$(VENV)/bin/lint-imports

benchmark: $(READY) ## measurements of time and memory; prints them
	$(RUN) pytest -m benchmark -s

check: test lint types floors ## everything a change must pass

clean: ## remove the environment and the caches; results stay
	rm -rf $(VENV) build dist *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find braintorrent sim models analysis scenarios tests -name __pycache__ -prune -exec rm -rf {} +

# The last step marks success, so an installation that was interrupted is done again. An interpreter
# that has gone leaves a dangling link, which venv mends only with --clear.
$(READY): setup.cfg pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "braintorrent needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2; exit 1; }
	@rm -f $(READY)
	@test -x $(VENV)/bin/python || "$(PYTHON)" -m venv --clear $(VENV)
	$(RUN) pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)
