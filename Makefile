# make demo   set up and build the embedded example for a Raspberry Pi
# make test   set up and run every test
# make check  what a change must pass: format, lint, types, fast tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check format clean

demo: $(STAMP)
	$(BIN)/edgekit build --target raspberrypi

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" tests/unit

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch first and by its exact version: an open range takes gigabytes of CUDA libraries.
# timm without its dependencies: it asks for torchvision, which EdgeKit does without.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "EdgeKit needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --editable '.[all,dev]'
	$(PIP) --no-deps "$$(grep '^timm==' constraints.txt)"
	touch $@

clean:
	rm -rf $(VENV) build dist
