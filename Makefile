# make demo   the main job on real data that comes with the dependencies; everything lands in runs/
# make test   lint, types and the whole test suite
# make bench  danlu beside its peers, a table each; make bench-NAME for one of benchmarks/NAME.py
# All three make the virtual environment first, once, and again when a dependency changes.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DANLU  := $(BIN)/danlu

# Python's own standard library, a good half of it: programs that every machine has.
STDLIB  = $(shell $(BIN)/python -c "import sysconfig; print(sysconfig.get_path('stdlib'))")

# One thread for each of the two test processes: they share two cores.
SINGLE := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 POLARS_MAX_THREADS=1

# Every benchmark, in this order; BENCH holds what is given to each.
BENCHES := quality small_mlp linear pretrain finetune cnn lstm encode generate serving shakespeare corpus precision read_csv
BENCH   :=

.PHONY: venv demo test lint bench peers clean

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

bench: $(BENCHES:%=bench-%)

# One row of them: make bench-pretrain BENCH="--rounds 5 --write"
bench-%: $(VENV)/.bench $(VENV)/peers/.installed
	$(BIN)/python benchmarks/$*.py $(BENCH)

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[bench]"
	touch $@

# fastai and LitServe bring torchvision and uvloop, which would change what the others run on: above the environment of
# all others they have one of their own.
peers: $(VENV)/peers/.installed

$(VENV)/peers/.installed: $(VENV)/.bench
	$(BIN)/python -m venv --without-pip $(VENV)/peers
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > \
	  "$$($(VENV)/peers/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/danlu.pth"
	$(VENV)/peers/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[peers]"
	touch $@

clean:
	rm -rf $(VENV) build dist src/danlu.egg-info
