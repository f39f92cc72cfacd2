# make demo   set up and build the embedded example for a Raspberry Pi
# make test   set up and run the tests, but the slow ones
# make test-slow   the slow tests: whole builds that differ little from others, and the like
# make test-devices   the tests that need emulated, containerized or remote devices; skips what
#             this machine cannot do
# make images Docker images of the example, for every platform and runtime, on public bases, or, with
#             BASE=debian or where no registry is in reach, on bases made here
# make lock   hashes of every pin, into requirements.lock and docker/*.txt
# make fuzz   damaged files of every kind, 500 a kind, as EdgeKit reads them: a table at the end
# make crash  a build killed at 30 random moments and run again, ten pairs at once; 1 on any miss
# make release-check   the wheel, installed and run outside of the checkout
# make docs   the documentation site, into build/docs; ends with an error on any warning or dead link
# make audit  known faults of the pinned versions (needs the network)
# make check  what a change must pass: format, lint, types, words, fast tests

PYTHON ?= python3
TARGET ?= raspberrypi
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A process a processor, from two to four (each keeps converters in memory beside it; WORKERS=2 where that
# is short), given a module at a time. No test counts on how fast the machine is.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, max(2, os.cpu_count() or 2)))')
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile

.PHONY: audit demo docs images lock release-check test test-slow test-devices fuzz crash check format clean

demo: $(STAMP)
	$(BIN)/edgekit build --target raspberrypi

images: $(STAMP)
	test -f build/$(TARGET)/manifest.json || $(BIN)/edgekit build --target $(TARGET)
	$(BIN)/edgekit package --docker build/$(TARGET) --platform all $(if $(BASE),--base $(BASE))

test: $(STAMP)
	$(PYTEST) -m "not slow" --ignore tests/device

test-slow: $(STAMP)
	$(PYTEST) -m slow --ignore tests/device

test-devices: $(STAMP)
	$(BIN)/python -m pytest -rs tests/device

fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.robustness.fuzz --tries 500 --seed 0

crash: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.robustness.crash

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tools/check_words.py
	$(BIN)/python -m pytest -m "not slow" tests/unit

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Every file is checked against the lock, those of the build of EdgeKit itself too. timm asks for
# torchvision, which EdgeKit does without: nothing is resolved. torch comes first and alone, in the
# build that pip takes of itself (pip prefers files whose hash the index names, which can be another
# build of the same version). Where that is one with CUDA, its libraries follow in the versions that
# torch's own metadata pins, without hashes here. pip compiles 29,000 files one after another, which takes
# minutes; here every processor compiles, tests of libraries left out, EdgeKit's own files included: where
# Python may not write bytecode (PYTHONDONTWRITEBYTECODE), each process would compile them again.
$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "EdgeKit needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --disable-pip-version-check download --quiet --no-deps --dest $(VENV)/torch "$$(grep -o '^torch==[^ ]*' requirements.lock)"
	sed -n '/^torch==/,/[^\\]$$/p' requirements.lock > $(VENV)/torch/torch.lock
	$(PIP) --require-hashes --no-deps --no-index --find-links $(VENV)/torch --requirement $(VENV)/torch/torch.lock
	rm -r $(VENV)/torch
	$(PIP) --require-hashes --no-deps --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	if grep -q '^Requires-Dist: nvidia' $(VENV)/lib/*/site-packages/torch-*.dist-info/METADATA; then \
		$(PIP) --constraint constraints.txt "$$(grep '^torch==' constraints.txt)"; fi
	$(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib edgekit > $(VENV)/compile.log 2>&1 || true
	touch $@

# The hashes of what constraints.txt and docker/*.txt pin, read from the index that pip uses.
lock:
	$(PYTHON) tools/lock.py

# A release as others get it: built, installed in an environment of its own outside of the checkout
# with the lock's packages, and run there.
release-check: $(STAMP)
	$(BIN)/python tools/release_check.py

# The site of docs/, in an environment of its own. zensical reads no network; --strict ends on a
# dead link, a missing anchor or any other warning.
DOCS := $(VENV)/docs
docs: $(DOCS)/.installed
	$(DOCS)/bin/zensical build --clean --strict

$(DOCS)/.installed: docs/requirements.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps --requirement docs/requirements.txt
	touch $@

# Known faults of the pinned versions. pip-audit reads them from the index: there is no check without
# a network, and none is pretended.
audit: $(STAMP)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit
	$(VENV)/audit/bin/pip-audit --disable-pip --no-deps --requirement constraints.txt

clean:
	rm -rf $(VENV) build dist
