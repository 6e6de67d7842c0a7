# Everything runs in a virtual environment of this folder; Python 3.11 or newer is all it needs.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

REFERENCE := .venv-reference

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-reference lint format docs bench clean

help:
	@echo "make demo      install, train LeNet on the bundled digits, evaluate, export, predict"
	@echo "make test      the tests"
	@echo "make test-all  the tests and the long campaigns"
	@echo "make test-reference  the networks of specs/ against other implementations of them"
	@echo "make lint      ruff and pyright"
	@echo "make docs      the layer reference, docs/layers.md"
	@echo "make bench     the benchmarks (benchmarks/README.md)"
	@echo "make clean     remove what was built; the environment stays"

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@

demo: $(READY)
	rm -rf demo/lenet
	$(BIN)/dlspec summary specs/lenet.dlnet
	$(BIN)/dlspec train specs/lenet.dlnet --out demo/lenet --device cpu
	$(BIN)/dlspec evaluate demo/lenet
	$(BIN)/dlspec export demo/lenet -o demo/lenet.onnx
	$(BIN)/dlspec predict demo/lenet.onnx docs/images/digit-3.png --top 3

test: $(READY)
	$(BIN)/python -m pytest -m "not slow"

test-all: $(READY)
	HYPOTHESIS_PROFILE=fresh $(BIN)/python -m pytest

# Other people's networks stay out of the environment that dlspec is developed in.
$(REFERENCE)/.ready: pyproject.toml constraints.txt tests/reference/requirements.txt
	test -x $(REFERENCE)/bin/python || $(PYTHON) -m venv $(REFERENCE)
	$(REFERENCE)/bin/python -m pip install --quiet --upgrade pip
	$(REFERENCE)/bin/python -m pip install --quiet --editable '.[all]' hypothesis pytest \
	  --constraint constraints.txt
	$(REFERENCE)/bin/python -m pip install --quiet --no-deps \
	  --requirement tests/reference/requirements.txt
	touch $@

test-reference: $(REFERENCE)/.ready
	$(REFERENCE)/bin/python -m pytest tests/reference

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/dlspec layers --format markdown > docs/layers.md

bench: $(READY)
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist demo runs .pytest_cache .ruff_cache .hypothesis *.egg-info
	find dlspec tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
