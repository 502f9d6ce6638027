# make demo: install and see it work. make test: install and run the fast tests. make check: a minute, while you work.
# The first Python from 3.11 on that is found; `make PYTHON=...` names another.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.14 python3 python; do \
  $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_TRAIN := $(VENV)/.installed-train
TORCH := torch==2.13.0
BENCHES := questions page judging_drawn compression serving rerank calibration refusing lists relations cosines \
  inspect_speed quality context context_weights verdict verdict_subsets verdict_statistics grid_speed judging \
  synthetic svm_solver svm_speed svm_evidence svm_expansion svm_defaults whole_process bm25_speed lexical_indexing \
  knn_speed encoder_batches long_units one_pass mixed substance freshness lsa markdown_speed sentences \
  sharded_softmax softmax_precision sampled_softmax sampling scale_plan postgres postgres_filters postgres_shards \
  postgres_graph adaptation omniglot images softmax_and_margins identity_faces identity_rates image_training \
  identity_tail identity_scale constants code_default code_functions faces

.PHONY: demo check test test-slow lint format model models bench install clean

demo: $(INSTALLED)
	@$(BIN)/python tools/demo.py

install: $(INSTALLED)

test: $(INSTALLED_DEV) models
	$(BIN)/python -m pytest -n 2 -m "not slow"

# what a change most often breaks, in under a minute
check: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -m "not slow" tests/test_house.py tests/rankers tests/experiments/test_deciding.py \
	  tests/experiments/test_measures.py tests/corpus/test_prose_tree.py tests/corpus/test_code_split.py

# slow tests, and the fast ones that are skipped without torch
test-slow: $(INSTALLED_DEV) $(INSTALLED_TRAIN)
	$(BIN)/python -m pytest -m slow --durations 10 --ignore tests/published
	$(BIN)/python -m pytest -n 2 -m slow tests/published
	$(BIN)/python -m pytest -n 2 -m "not slow" tests/learning tests/encoders tests/index tests/cli

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# what some tests need of the shelf; without a network they are skipped
models: $(INSTALLED_DEV)
	@TELLAPART_CACHE=build/cache $(BIN)/tellapart models add ms-marco-minilm || echo "tests of the cross-encoder are skipped"
	@TELLAPART_CACHE=build/cache $(BIN)/tellapart models add bge-small || echo "the test of bge-small is skipped"

model: $(INSTALLED_TRAIN)
	$(BIN)/python tools/build_minilm.py

# the pages in docs/benchmarks/ that need nothing but TELLAPART_DATA and, to compare, other packages: hours
bench: $(INSTALLED_DEV) $(INSTALLED_TRAIN)
	$(BIN)/python -m pip install --quiet tantivy numba pysbd syntok
	$(BIN)/python -m pip install --quiet --no-deps pytorch-metric-learning
	$(BIN)/python bench/development.py
	for name in $(BENCHES); do \
	  $(BIN)/python bench/$$name.py --output docs/benchmarks/$$name.md || exit 1; \
	done
	$(BIN)/python bench/postgres.py --units 1000000 --dim 384 --queries 300 --work build/million \
	  --output docs/benchmarks/postgres_million.md
	$(BIN)/python bench/repository.py --work build/repository --output docs/benchmarks/repository.md
	$(BIN)/python bench/many_identities.py --work build/identities --output docs/benchmarks/many_identities.md
	$(BIN)/python bench/code_embeddings.py --page docs/code-embeddings.md

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or later was found: install one, or run 'make PYTHON=/path/to/python'"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev,documents]"
	@touch $@ $(INSTALLED)

# torch first and by itself: any other package that asks for it would bring a build with CUDA
$(INSTALLED_TRAIN): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable ".[train,hub]"
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
