# Each target makes the .venv it needs. Choose the interpreter with PYTHON=python3.12 make ...
PYTHON ?= python3
DEVICE ?= cpu
STUDY ?= quickstart

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: study test test-all check simulation bench bench-against bench-answered bench-launch bench-analysis bench-data bench-forecast rehearse-scale rehearse-cluster chaos findings picture clean

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

study: .venv/runtime.stamp  ## the quickstart: train, measure, write runs/quickstart/report.html
	$(BIN)/pbb-study launch quickstart --root runs

test: .venv/dev.stamp  ## every test but the slow ones
	$(BIN)/pytest

test-all: .venv/dev.stamp  ## the slow ones too
	$(BIN)/pytest -m ''

check: .venv/dev.stamp  ## lint, format, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

findings: .venv/runtime.stamp  ## F1 to F12 on the nano ladder; verdicts go into docs/findings.md; resumable
	$(BIN)/python -m study.findings

simulation: .venv/runtime.stamp  ## docs/simulation.md: what the intervals cover; 6 minutes
	$(BIN)/python -m analysis.simulation_page docs

bench: .venv/dev.stamp  ## training against Trainer with peft, answering against generate; DEVICE=cuda on a GPU
	$(BIN)/python -m tests.bench.train_speed --device $(DEVICE) $(BENCH)
	$(BIN)/python -m tests.bench.evaluation_speed --device $(DEVICE) $(BENCH_EVALUATION)

bench-against: .venv/dev.stamp  ## stages of STUDY on this code and on that of COMMIT, in turn; 10 minutes
	$(BIN)/python -m tests.bench.against $(COMMIT) --study $(STUDY) $(BENCH)

bench-answered: .venv/dev.stamp  ## device seconds an arm and an answered rate of STUDY, against one trial at a time; 20 minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.answered --study $(STUDY) --device $(DEVICE) $(BENCH)

bench-launch: .venv/dev.stamp  ## seconds from launch to the first step, on each backend; 3 minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.launch_speed $(BENCH)

bench-analysis: .venv/dev.stamp  ## item rows to rates, 10^8 of them: seconds and memory; 6 minutes, 2 GB of disk
	$(BIN)/python -m tests.bench.analysis_speed

bench-data: .venv/dev.stamp  ## documents a second, and how long training waits for them; 20 minutes on 2 idle cores
	$(BIN)/python -m tests.bench.data_speed

bench-forecast: .venv/dev.stamp  ## what small stages take: the prices of study/prices.py; a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.forecast_speed

rehearse-scale: .venv/dev.stamp  ## 10,000 stages, 200 workers, 1,000 trials with simulated stages; 8 minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.rehearsal.scale

rehearse-cluster: .venv/runtime.stamp  ## ray up against real sshd, a lost machine, ray down; Linux, root, 10 minutes
	tests/cluster/rehearse.sh

chaos: .venv/dev.stamp  ## kill launches at every commit point and at random times; docs/reliability.md; 15 minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos $(STORM)

picture:  ## docs/report.png, a picture of the quickstart's report
	docs/picture.sh

clean:  ## forget the environment and caches; runs/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

# torch first and by its exact pin: pip then takes the wheel that the index or --find-links offers
# for this machine, and nothing later asks for another build of it.
.venv/runtime.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) -e .
	touch $@

.venv/dev.stamp: .venv/runtime.stamp
	$(PIP) -e '.[dev,gguf,s3,static]'
	touch $@
