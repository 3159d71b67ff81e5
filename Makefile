# make demo   the main job on real data that comes with the dependencies; everything lands in runs/
# make test   lint, types and the whole test suite
# make bench  danlu beside its peers; prints the README's table
# All three make the virtual environment first, once, and again when a dependency changes.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DANLU  := $(BIN)/danlu

# Python's own standard library, a good half of it: programs that every machine has.
STDLIB  = $(shell $(BIN)/python -c "import sysconfig; print(sysconfig.get_path('stdlib'))")

# One thread for each of the two test processes: they share two cores.
SINGLE := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 POLARS_MAX_THREADS=1

.PHONY: venv demo test lint bench clean

venv: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: venv
	$(DANLU) train sample:digits --model cnn
	$(DANLU) train sample:breast_cancer
	$(DANLU) train sample:diabetes
	rm -rf runs/demo-code
	$(DANLU) train "$(STDLIB)/[a-p]*.py" --time-limit 45s --out runs/demo-code \
	  data.text.max_length=128 model.depth=2
	$(DANLU) generate runs/demo-code "    return self." --temperature 0 --stop '\n'
	$(DANLU) runs

test: lint
	$(SINGLE) $(BIN)/python -m pytest -n 2 --dist worksteal

lint: venv
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/small_mlp.py
	$(BIN)/python benchmarks/pretrain.py
	$(BIN)/python benchmarks/finetune.py
	$(BIN)/python benchmarks/cnn.py
	$(BIN)/python benchmarks/lstm.py
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/generate.py
	$(BIN)/python benchmarks/shakespeare.py
	$(BIN)/python benchmarks/corpus.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/read_csv.py --megabytes 1000

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[bench]"
	touch $@

clean:
	rm -rf $(VENV) build dist src/danlu.egg-info
