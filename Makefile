# `make demo` and `make test` need Python >= 3.11 and nothing else: every target sets up .venv when it has to.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
DIGITS := demo/digits.safetensors

.PHONY: demo test slow browser chromium lint types contract docs gate wheel ci clean

demo: $(READY)  ## bound a small network and prove it again; train, bound, attack and compare a GPT with caps and one without
	$(BIN)/python demo/digits.py accuracy
	$(BIN)/lipcert bound $(DIGITS) --domain box:0,1 --out reports/digits --force
	$(BIN)/lipcert verify reports/digits/certificate.json $(DIGITS)
	$(BIN)/python -m benchmarks.runs demo demo-unconstrained -- --suite gpt --limit 50

test: $(READY)  ## the quick suite
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow and not browser"

slow: $(READY)  ## the longer tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "slow and not browser"

browser: $(READY) chromium  ## reports, opened in a browser
	OMP_NUM_THREADS=1 $(BIN)/pytest -m browser

chromium:
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && \
		sudo=$$(test "$$(id -u)" = 0 || echo sudo) && \
		$$sudo apt-get update -qq && $$sudo apt-get install -y --no-install-recommends chromium; } || \
		{ echo "No command chromium, and apt-get did not bring it: install Chromium, then make browser"; exit 1; }

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contract: $(READY)  ## imports go one way
	$(BIN)/lint-imports

docs: $(READY)  ## the site of the docs, in build/site; its notebook is run
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W -n --keep-going -b html docs build/site -d build/doctrees

gate: $(READY)  ## this repository's own models, held to the rules of lipcert.toml
	$(BIN)/lipcert gate

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
