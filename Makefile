# One target for each thing a person does; CI calls the same.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Processes of pytest-xdist, one more than cores, for tests also wait for disks and for processes that they start. Each
# takes about 1 GB, so at most eight. `make test SPREAD=` runs one.
SPREAD ?= -n $(shell cores=`getconf _NPROCESSORS_ONLN`; test $$cores -lt 8 && expr $$cores + 1 || echo 8) --dist worksteal

.PHONY: demo test test-slow test-other bench docs lint format wheel catalogue clean

demo: $(VENV)/.installed  ## a whole chain on the embedded digits: results table, and where things lie
	test -f demo/dgkd.toml || $(BIN)/dgkd-cache init demo --dataset digits --chain resnet26,resnet20,resnet14,resnet8 --epochs 12 --views 6 --objective mean
	$(BIN)/dgkd-cache -w demo run

test: $(VENV)/.installed  ## the test suite
	$(BIN)/python -m pytest -q $(SPREAD)

test-slow: $(VENV)/.frameworks  ## the proofs that are too slow for every commit; installs Lightning and transformers
	$(BIN)/python -m pytest -q -m slow $(SPREAD)

test-other:  ## the stores' tests in another Python, as it is: `make test-other PYTHON=python3.13`
	PYTHONPATH=stores $(PYTHON) -m pytest -q --confcutdir=tests/stores tests/stores

bench: $(VENV)/.installed  ## every figure of docs/performance.md, on this machine: about 20 minutes on two quiet cores
	$(BIN)/python -m benchmarks
	@echo "bench/ has the figures; $(BIN)/python -m benchmarks.report --take bench puts them into docs/performance.md"

docs: $(VENV)/.installed  ## the documentation site, build/site; a dead link or an undocumented public name fails
	$(BIN)/python docs/api_gaps.py
	$(BIN)/python docs/raised_errors.py
	$(BIN)/python docs/assemble.py
	$(BIN)/zensical build --strict --clean
	$(BIN)/python docs/links.py build/site

catalogue: $(VENV)/.installed  ## the lists that `models`, `datasets` and `transforms` print, after one of them has changed
	$(BIN)/python -m dgkd_cli.catalogue

lint: $(VENV)/.installed  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: $(VENV)/.installed  ## the distribution, under dist/
	$(BIN)/python -m pip wheel --no-deps -w dist .

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs]"
	touch $@

$(VENV)/.frameworks: $(VENV)/.installed  # what two of the examples need
	$(BIN)/python -m pip install --quiet --editable ".[frameworks]"
	touch $@

clean:
	rm -rf $(VENV) .cache dist build demo bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
