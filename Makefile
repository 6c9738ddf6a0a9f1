# `make demo` and `make test` need Python >= 3.11 and nothing else: every target sets up .venv when it has to.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
CERTIFICATE := reports/demo/certificate.json

.PHONY: demo test slow lint types contract wheel ci clean

demo: $(READY)  ## bound a small network and prove it again; train, bound and attack a GPT with caps and one without
	$(BIN)/python demo/digits.py accuracy
	$(BIN)/lipcert bound demo/digits.safetensors --domain box:0,1 --certificate $(CERTIFICATE) --force
	$(BIN)/lipcert verify $(CERTIFICATE) demo/digits.safetensors
	$(BIN)/python -m benchmarks.runs demo demo-unconstrained -- --suite gpt --limit 50

test: $(READY)  ## the quick suite
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow"

slow: $(READY)  ## the longer tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contract: $(READY)  ## imports go one way
	$(BIN)/lint-imports

wheel: $(READY)  ## the wheel alone, in an environment of its own
	$(BIN)/python scripts/check_wheel.py

ci:
	.ci/run

clean:
	rm -rf .venv dist build

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# Its metadata asks for requests~=2.25.1 and for torchvision; importing it needs torch, numpy and scipy alone.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps torchattacks
	touch $@
