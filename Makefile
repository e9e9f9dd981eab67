# Foveate: everything a newcomer or CI runs. Needs python3 (3.11 or newer), its venv module and make; nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= out
BROWSER ?= chromium
HEIGHT ?= 1130
export OMP_NUM_THREADS ?= 2
# Bytecode halves the import time of torch and transformers, so a machine-wide ban on it is lifted here.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types check-vllm bench bench-evals bench-diffusion evals constraints readme-numbers readme-picture clean

help:  ## say what each target does
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s'|' 2>/dev/null || grep -h '## ' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Foveate needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# One stamp per set of packages: a second run does nothing.
$(VENV)/.foveate: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --compile -c constraints.txt -e .
	@touch $@

$(VENV)/.foveate-test: $(VENV)/.foveate
	$(BIN)/python -m pip install --quiet --compile -c constraints.txt -e '.[test]'
	@touch $@

install: $(VENV)/.foveate  ## make .venv with Foveate in it

demo: $(VENV)/.foveate  ## ask the demo questions on the real images that ship with Foveate
	$(BIN)/python -m foveate.agent.demo --out $(OUT)/demo

test: lint types  ## lint, type-check and run every test; pytest's summary comes last
	$(BIN)/python -m pytest -q

lint: $(VENV)/.foveate-test  ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(VENV)/.foveate-test  ## mypy --strict
	@mkdir -p build/types && ln -sfn ../.. build/types/foveate
	$(BIN)/mypy -p foveate.agent -p foveate.tools -p foveate.prompts -p foveate.evals -p foveate.pocket

bench: $(VENV)/.foveate  ## speed and memory of `ask`, printed beside the targets
	$(BIN)/python -m foveate.evals.bench.ask --out $(OUT)/bench

bench-evals: $(VENV)/.foveate-test  ## what the evaluation runner adds
	$(BIN)/python -m foveate.evals.bench.runner --out $(OUT)/bench

bench-diffusion: $(VENV)/.foveate  ## cost of the diffusion recipes; needs pocket-diffusion's weights
	$(BIN)/python -m foveate.evals.bench.diffusion --out $(OUT)/bench

EVAL_LIMIT ?= 200
evals: $(VENV)/.foveate-test  ## the pocket models on patient C and the nodule, with and without tools
	for task in pocket-c pocket-nodule; do \
	  $(BIN)/foveate eval $$task --limit $(EVAL_LIMIT) --out $(OUT)/evals/$$task-tools && \
	  $(BIN)/foveate eval $$task --limit $(EVAL_LIMIT) --no-tools --out $(OUT)/evals/$$task-plain || exit 1; \
	done

constraints: $(VENV)/.foveate-test  ## pin what .venv holds now
	@{ echo "# Every version that Foveate is developed and tested with; 'make constraints' writes it from .venv."; \
	  $(BIN)/python -m pip freeze --all --exclude-editable | grep -v -E '^(pip|uv|wheel)==' | sed 's/+cpu$$//'; } > constraints.new
	@mv constraints.new constraints.txt

readme-numbers: $(VENV)/.foveate  ## copy the measured numbers into the README
	$(BIN)/python -m foveate.evals.bench.readme --bench $(OUT)/bench/ask.json

readme-picture: $(VENV)/.foveate  ## make docs/answer.png, the picture in the README, from a real answer; needs Chromium
	$(BIN)/foveate ask pocket/demo/chest_nodule.nii.gz -q "Is there a nodule? Where, and how large?" --window lung --out $(OUT)/readme
	@mkdir -p docs
	$(BROWSER) --headless --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars \
	  --window-size=1200,$(HEIGHT) --screenshot=docs/answer.png file://$(abspath $(OUT))/readme/index.html
	$(BIN)/python -c 'from PIL import Image; Image.open("docs/answer.png").convert("RGB").quantize(256).save("docs/answer.png", optimize=True)'

check-vllm: $(VENV)/.foveate  ## serve the pocket model with vLLM (own environment), ask it the same questions, test semantic sampling
	bash scripts/check_vllm.sh

clean:  ## remove what make made, except .venv
	rm -rf build out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
