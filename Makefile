# What can be done here; `make` lists it. The environment is made once in .venv and brought up to date
# when requirements.txt or pyproject.toml change.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo train serve test check docs notebooks bench evaluate tools clean

VENV := .venv
BIN  := $(VENV)/bin
APP  := $(VENV)/.installed
DEV  := $(VENV)/.installed-dev
# The libraries that `make bench`, `make evaluate` and `make tools` compare with, an environment for each.
PEERS := .venv-peers

# The interpreter that .venv is made from: 3.11 or newer, set it to choose (make demo PYTHON=python3.12).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)

# pip tells a person what it is fetching, and a log only what went wrong.
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check $$([ -t 1 ] || echo --quiet)

help: ## list what can be done here
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(APP) model.pt ## watch a served model catch drift; Ctrl-C stops (UNTIL_DONE=1 ends with a verdict, SEED=n)
	@exec $(BIN)/python -m executor.demo \
	    $(if $(filter-out 0 no false,$(UNTIL_DONE)),--until-done) $(if $(SEED),--seed $(SEED))

train: $(APP) ## train the model of configs/model.yaml, write model.pt (SEED=n)
	@$(BIN)/python train_model.py $(if $(SEED),--seed $(SEED))

serve: $(APP) model.pt ## serve model.pt, monitored, until Ctrl-C
	@exec $(BIN)/python deployed_model.py

test: check ## check, then run every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(DEV) ## lint, format, types, import floors
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

docs: $(DEV) ## build the documentation into var/docs/site, notebooks executed
	@$(BIN)/python -m docs.generator

notebooks: $(DEV) ## open the notebooks in JupyterLab, in your browser
	@$(BIN)/python -c 'import jupyterlab' 2>/dev/null || $(PIP_INSTALL) -e '.[notebooks]'
	@exec $(BIN)/jupyter lab --notebook-dir=notebooks

bench: $(APP) $(PEERS)/river/.installed $(PEERS)/frouros/.installed ## time the detectors beside river, frouros and SciPy; write docs/benchmarks.md
	@$(BIN)/python -m benchmarks.speed --peers $(PEERS)

evaluate: $(DEV) $(PEERS)/river/.installed $(PEERS)/frouros/.installed $(PEERS)/alibi-detect-torch/.installed ## measure who notices drift first, ours and others; write docs/detection.md
	@$(BIN)/python -m benchmarks.detection --peers $(PEERS)
	@$(MAKE) --no-print-directory model.pt
	@$(BIN)/python -m evaluation drift

tools: $(DEV) $(foreach tool,river frouros alibi-detect evidently nannyml whylogs deepchecks,$(PEERS)/$(tool)/.installed) ## measure monitoring tools at one job, ours and others; write docs/tools.md
	@$(BIN)/python -m benchmarks.tools --peers $(PEERS)

# An environment for each peer: they want other versions of NumPy and SciPy than each other, and than we have.
$(PEERS)/%/.installed: benchmarks/requirements-peers-%.txt
	@$(@D)/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --disable-pip-version-check $$([ -t 1 ] || echo --quiet) -r $<
	@touch $@

clean: ## remove all that was made here: .venv, model.pt, logs, caches
	@rm -rf $(VENV) $(PEERS) model.pt demo_summary.json var .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A model is trained when there is none; an existing one is never overwritten by making something else.
model.pt: | $(APP)
	@$(BIN)/python train_model.py $(if $(SEED),--seed $(SEED))

$(APP): requirements.txt pyproject.toml
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3" >&2; exit 2; }
	@# One that works stays, whatever Python is first on the path today: two in one environment break it.
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV); the first time takes some minutes, most of them for PyTorch."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

# After the application's own, so that pip settles on one PyTorch and two jobs never install at once.
$(DEV): $(APP)
	@$(PIP_INSTALL) -r requirements.txt -e '.[serve,torch,cli,storage,postgres,figures,docs,dev]'
	@touch $@
