# `make run` serves the sample textbooks, `make test` runs every check. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup run test coverage lint format fuzz schemathesis bench kill books clean
.DEFAULT_GOAL := run

setup: $(VENV)/.complete

# .installing marks a set-up that was cut off: pip takes half-written packages for whole ones, so that
# environment is made again. Downloads are cached by pip.
$(VENV)/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Keben needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12"; exit 1; }
	@if [ -e $(VENV)/.installing ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then rm -rf $(VENV); fi
	@[ -d $(VENV) ] || $(PYTHON) -m venv $(VENV) || \
		{ echo "cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@touch $(VENV)/.installing
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm $(VENV)/.installing && touch $@

# Exit code 3: some books could not be read, the others are served.
run: setup
	@$(BIN)/keben rebuild || [ $$? -eq 3 ]
	@exec $(BIN)/keben serve

# As many processes as there are processors, 8 at most; in the order of the folders, since long files come first in it.
# Then, one after the other, the tests that have limits of time.
PARALLEL := --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder
test: setup lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not alone"
	$(BIN)/python -m pytest -m alone

# Which lines and branches the tests run through; a fifth slower.
coverage: setup
	$(BIN)/python -m pytest --cov --cov-report=term

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Damaged files for every reader, FILES of each format; hours for large numbers.
FILES ?= 300
fuzz: setup
	$(BIN)/python tests/fuzz/run.py --files $(FILES)

# Requests made from the OpenAPI document, EXAMPLES of each operation; a quarter of an hour for 500.
EXAMPLES ?= 500
schemathesis: setup
	SCHEMATHESIS_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -s tests/integration/test_schemathesis.py

# Times, memory and quality of a rebuild. ONLY=pdf runs one section; benchmarks/ingest.py names the others, and says
# what BASELINE_PYTHON must have.
bench: setup
	$(BIN)/python benchmarks/ingest.py $(if $(ONLY),--only $(ONLY)) \
		$(if $(BASELINE_PYTHON),--baseline-python $(BASELINE_PYTHON))

# A server under questions while rebuilds are killed; about an hour.
kill: setup
	$(BIN)/python benchmarks/kill.py

# Needs chromium, fonts-noto-cjk and `pip install .[books]`.
books: setup
	$(BIN)/python knowledge/_sources/build_books.py

clean:
	rm -rf $(VENV) .venv-xtuner .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage *.egg-info
