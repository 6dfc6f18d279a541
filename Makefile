# Relative paths only, and modules rather than scripts where a module can be run: a path with a
# space in it must work.
PYTHON ?= python3
TEST_ARGS ?= -n auto -rs

VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help demo user test slow slow-all notebooks docs findings pictures lint format types floors benchmark check clean

help: ## list the targets
	@echo "usage: make TARGET [PYTHON=python3.11]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## what a server crash does to learning with a server, and without one
	@$(RUN) braintorrent run server_crash --seed 0 --seed 1 --seed 2 --out results/demo

test: $(READY) ## the quick tests
	$(RUN) pytest $(TEST_ARGS)

slow: $(READY) ## the tests that take longer
	$(RUN) pytest -m slow $(TEST_ARGS)

slow-all: $(READY) ## those, and the ones that take minutes each (hours)
	$(RUN) pytest -m "slow or long" $(TEST_ARGS)

notebooks: $(READY) ## run the notebooks of analysis/, and what they need
	$(RUN) pytest --nbmake --nbmake-timeout 900 --durations 3 analysis

# The pages that the code can tell are written first. MkDocs stays below 2, so a notice of it is off.
docs: export NO_MKDOCS_2_WARNING := 1
docs: $(READY) ## the documentation as a site, in site/
	$(RUN) docs.pages
	$(RUN) mkdocs build --strict --quiet

# Each command stands in docs/findings.md too, beside what came of it. Folders that are there are kept.
FOUND := results/findings
RUNS := $(RUN) braintorrent run
SWEEP := $(RUN) braintorrent sweep
PLOT := $(RUN) braintorrent plot
TWO := --protocol braintorrent --protocol fedavg

findings: $(READY) ## the runs behind docs/findings.md, and every picture of the documents (hours)
	$(RUNS) no_faults --out $(FOUND)/no_faults
	$(RUNS) no_faults --set "task.partition={kind: iid}" --out $(FOUND)/no_faults_iid
	$(RUNS) server_crash --out $(FOUND)/server_crash
	$(RUNS) server_recovers --out $(FOUND)/server_recovers
	$(SWEEP) two_rates --out $(FOUND)/two_rates
	$(SWEEP) failure_rate_sweep --vary failure_detection.kind=none,heartbeat,perfect --out $(FOUND)/detection
	$(SWEEP) failure_rate_sweep --vary "faults.churn.failure_rate=4 / h" --vary failure_detection.kind=none,heartbeat --vary "protocols.fedavg.deadline=45 s,2 min" --out $(FOUND)/deadline
	$(RUNS) rough --out $(FOUND)/rough
	$(SWEEP) no_faults --vary network.packet_loss=0,0.01,0.05,0.2 $(TWO) --out $(FOUND)/loss
	$(RUNS) stragglers $(TWO) --out $(FOUND)/stragglers
	$(SWEEP) no_faults --vary protocols.braintorrent.schedule=independent,random_initiator,lockstep $(TWO) --out $(FOUND)/schedule
	$(SWEEP) no_faults --vary clients.count=5,10,20 $(TWO) --out $(FOUND)/clients
	$(SWEEP) no_faults --vary training.learning_rate=0.05,0.1,0.2,0.4,0.8,1.6 --tune training.learning_rate $(TWO) --out $(FOUND)/tuned
	$(RUNS) alternatives --out $(FOUND)/alternatives
	$(SWEEP) survival --out $(FOUND)/survival
	$(RUNS) standby --out $(FOUND)/standby
	$(SWEEP) hospitals --out $(FOUND)/hospitals
	$(RUNS) ring_failure --seed 0 --seed 1 --seed 2 --seed 3 --seed 4 --out $(FOUND)/ring_failure
	$(SWEEP) targeted --seeds 5 --out $(FOUND)/targeted
	$(SWEEP) dynamics --out $(FOUND)/dynamics
	$(RUNS) late_hospital --out $(FOUND)/late_hospital
	$(SWEEP) outage --out $(FOUND)/outage
	$(SWEEP) away_when_it_matters --out $(FOUND)/away
	$(RUNS) phones --out $(FOUND)/phones
	$(SWEEP) regions --out $(FOUND)/regions
	$(SWEEP) regions --set network.regions.clients=europe --vary network.regions.server=europe --out $(FOUND)/regions_near
	$(SWEEP) no_faults --vary clients.round_jitter=0,0.1,0.3 --seeds 5 $(TWO) --out $(FOUND)/jitter
	$(RUNS) no_faults --set "seeds=[0, 1, 2, 3, 4]" --set "protocols={fedavg: {deadline: 2 min}, fedavgm: {kind: fedavg, deadline: 2 min, server_optimizer: momentum}, fedadam: {kind: fedavg, deadline: 2 min, server_optimizer: adam}, fedyogi: {kind: fedavg, deadline: 2 min, server_optimizer: yogi}, fedprox: {kind: fedavg, deadline: 2 min, training: {proximal: 0.1}}, scaffold: {deadline: 2 min}}" --out $(FOUND)/skew
	$(SWEEP) brains_quick --set task.data_seed=run --set "faults={server_crash: {kind: crash, node: server, at: 1 h}}" --set "protocols.fedavg={deadline: 2 min}" --vary "faults.server_crash.at=200 s,1 h" --seeds 5 --out $(FOUND)/brains_crash
	$(MAKE) pictures

pictures: $(READY) ## the documents' pictures anew, from the folders of `make findings`
	$(PLOT) $(FOUND)/no_faults --stage both --out docs/pictures/no_faults.png
	$(PLOT) $(FOUND)/server_crash --out docs/pictures/server_crash.png
	$(PLOT) $(FOUND)/two_rates --baseline fedavg --out docs/pictures/two_rates.png
	$(PLOT) $(FOUND)/detection --where failure_detection.kind=heartbeat --out docs/pictures/detection.png
	$(PLOT) $(FOUND)/rough --out docs/pictures/rough.png
	$(PLOT) $(FOUND)/alternatives --out docs/pictures/alternatives.png
	$(PLOT) $(FOUND)/standby --out docs/pictures/standby.png
	$(PLOT) $(FOUND)/late_hospital --out docs/pictures/late_hospital.png
	$(PLOT) $(FOUND)/outage --figure timeline --where faults=once --protocol braintorrent --seed 0 --from "4 min" --to "11 min" --out docs/pictures/outage.png
	$(PLOT) $(FOUND)/phones --out docs/pictures/phones.png
	$(RUN) docs.transport docs/pictures/transport.png
	$(RUN) braintorrent subjects brains_quick --out docs/pictures/brains_subjects.png
	$(RUN) braintorrent predict $(FOUND)/brains_crash --point server_crash.at-1h --protocol braintorrent --seed 0 --out $(FOUND)/brains_crash/prediction.nii.gz
	cp $(FOUND)/brains_crash/prediction.png docs/pictures/brains_prediction.png

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
	rm -rf $(VENV) build dist site *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find braintorrent sim models analysis scenarios tests -name __pycache__ -prune -exec rm -rf {} +

# Nothing of the developers', and the package itself instead of a link to this folder.
user: ## the program alone, in .venv: no tools, no tests (EXTRAS=brains,cluster adds those)
	"$(PYTHON)" -m venv $(VENV)
	$(RUN) pip install --constraint constraints.txt ".$(if $(EXTRAS),[$(EXTRAS)])"

# The last step marks success, so an installation that was interrupted is done again. An interpreter
# that has gone leaves a dangling link, which venv mends only with --clear.
$(READY): setup.cfg pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "braintorrent needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2; exit 1; }
	@rm -f $(READY)
	@test -x $(VENV)/bin/python || "$(PYTHON)" -m venv --clear $(VENV)
	$(RUN) pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)
