# Every target sets up what it needs: a virtual environment from requirements.txt, and for tests a Chromium.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PORT ?= 8501

.PHONY: run test lint bench peers clean screenshots gallery browser

run: .venv/ready
	-$(BIN)/python jobs.py demo
	$(BIN)/python jobs.py up --port $(PORT)

test: .venv/ready browser
	rm -f .coverage*
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --reruns 1 --rerun-show-tracebacks --cov --cov-report=term

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/ready peers
	for name in $$(grep -l "def main() -> int" benchmarks/*.py | xargs -n1 basename | sed 's/\.py$$//'); do \
		$(BIN)/python -m benchmarks.$$name $(BENCH) || failed=1; done; exit $${failed:-0}

peers: .venv-peers/ready

screenshots: .venv/ready browser
	$(BIN)/python jobs.py demo
	$(BIN)/python -m dashboard.screenshots

gallery: .venv/ready browser
	$(BIN)/python -m dashboard.screenshots --states

browser:
	@sh .ci/browser

clean:
	rm -rf .venv .venv-peers .mypy_cache .ruff_cache .hypothesis .coverage* warehouse.duckdb* models
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.txt
.venv-peers/ready: benchmarks/peers/requirements.txt
.venv/ready .venv-peers/ready:
	@test -n "$(PYTHON)" || { echo "Sextant needs Python 3.11 or 3.12; install one or say make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
