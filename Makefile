# xairank: `make demo` and `make test` work on a fresh clone; the first call installs everything into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
NAME   ?= default
# pinned by constraints.txt; or the lowest or newest that pyproject.toml allows
VERSIONS ?= pinned
ARGS   ?=
SEEDS  := 42,43,44,45,46,47,48,49,50,51

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint format paper tables figures report dashboard docs docs-serve package tag bench bench-job bench-layers bench-adapted bench-methods gpu-check audit bench-training bench-tables bench-launchers bench-grid torture clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv and install xairank with pinned versions; or VERSIONS=lowest, VERSIONS=newest

INSTALL_pinned := pip install --quiet --disable-pip-version-check -c constraints.txt
INSTALL_newest := pip install --quiet --disable-pip-version-check
INSTALL_lowest := uv pip install --quiet --resolution lowest-direct
$(if $(INSTALL_$(VERSIONS)),,$(error VERSIONS=$(VERSIONS): expected pinned, lowest or newest))

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "$(PYTHON) is older than 3.10; set PYTHON=python3.11, say" >&2; exit 2; }
	@echo "Installing into $(VENV) (torch is large: a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test $(VERSIONS) != lowest || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m $(INSTALL_$(VERSIONS)) -e '.[dev]'
	@touch $@

demo: $(READY) ## Train on rendered hazelnuts, explain, rank: a few minutes on a CPU
	$(BIN)/python -m xairank.train experiment=demo $(ARGS)
	$(BIN)/python -m xairank.report name=$(or $(patsubst name=%,%,$(filter name=%,$(ARGS))),demo)

# One thread a process: several processes that share the cores through threads wait for one another.
test: $(READY) ## Run the tests, without the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadgroup $(ARGS)

test-all: $(READY) ## Run all tests, the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadgroup -m '' $(ARGS)

torture: $(READY) ## Kill sweeps at random moments, start pairs at once, fill the disk: nothing may be lost
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture $(ARGS)

lint: $(READY) ## Check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY) ## Format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

paper: $(READY) ## The paper: ten seeds, tables and figures; ARGS="trainer.max_epochs=2" overrides
	$(BIN)/python -m xairank.train experiment=paper seed=$(SEEDS) $(ARGS) -m
	$(BIN)/python -m xairank.tables name=$(or $(patsubst name=%,%,$(filter name=%,$(ARGS))),paper)
	$(BIN)/python -m xairank.figures name=$(or $(patsubst name=%,%,$(filter name=%,$(ARGS))),paper)
	@echo "Report: multirun/$(or $(patsubst name=%,%,$(filter name=%,$(ARGS))),paper)/report/index.html"

tables: $(READY) ## Tables 1-4 and the statistics of the sweep NAME=...
	$(BIN)/python -m xairank.tables name=$(NAME) $(ARGS)

figures: $(READY) ## The figures of the sweep NAME=...
	$(BIN)/python -m xairank.figures name=$(NAME) $(ARGS)

report: $(READY) ## A page of all results of the sweep NAME=..., that opens from disk
	$(BIN)/python -m xairank.report name=$(NAME) $(ARGS)

dashboard: $(READY) ## Explain images in the browser, by the runs of multirun/; ARGS="port=5007"
	$(BIN)/python -m xairank.dashboard $(ARGS)

docs: $(READY) ## Build the documentation into site/, without a warning
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

docs-serve: $(READY) ## Show the documentation in the browser while it is written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve $(ARGS)

package: $(READY) ## Build wheel and sdist into dist/, install both outside the checkout, and run the demo there
	.ci/package $(BIN)/python

tag: ## Check that TAG=vX.Y.Z is the version of pyproject.toml, and that the changelog says what it brings
	@test '$(TAG)' = "v$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" || \
		{ echo "TAG=$(TAG): is not v and the version of pyproject.toml" >&2; exit 2; }
	@grep -qxF '## $(TAG:v%=%)' CHANGELOG.md || \
		{ echo "TAG=$(TAG): CHANGELOG.md has no section $(TAG:v%=%); rename its first one" >&2; exit 2; }

bench: $(READY) ## Time the attribution methods beside other tools and the released loop; ARGS=--help
	$(BIN)/python -m benchmarks.attribution $(ARGS)

bench-job: $(READY) ## Time training, explaining and scoring beside an expert's script and the released code; ARGS=--help
	$(BIN)/python -m benchmarks.job $(ARGS)

bench-layers: $(READY) ## Where the time of a gradient goes, by kind of layer; ARGS=--help
	$(BIN)/python -m benchmarks.layers $(ARGS)

bench-adapted: $(READY) ## Time an adapted torchvision network beside timm's of the same architecture
	$(BIN)/python -m benchmarks.adapted $(ARGS)

bench-methods: $(READY) ## Time the further methods beside Captum, torch-cam and pytorch-grad-cam; ARGS=--help
	$(BIN)/python -m benchmarks.methods $(ARGS)

gpu-check: $(READY) ## What only a GPU shows, in at most 9 minutes: benchmarks/results/gpu-check.md
	$(BIN)/python -m benchmarks.gpu_check $(ARGS)

audit: $(READY) ## The audit of the paper's conclusion: every run, and docs/audit.md; ARGS=--help
	$(BIN)/python -m audit $(ARGS)

bench-training: $(READY) ## Time a training epoch beside a plain PyTorch loop
	$(BIN)/python -m benchmarks.training $(ARGS)

bench-tables: $(READY) ## Time the tables on many generated runs
	$(BIN)/python -m benchmarks.tables_many_runs $(ARGS)

bench-launchers: $(READY) ## Time a sweep one run after another and in several processes; ARGS=--help
	$(BIN)/python -m benchmarks.launchers $(ARGS)

bench-grid: $(READY) ## Plan 450 runs, interrupt and resume them, and put them into tables; ARGS="--jobs 16"
	$(BIN)/python -m benchmarks.grid $(ARGS)

clean: ## Delete .venv and caches; never data or results
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache dist build site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
