# `make run` and `make test` are all a newcomer needs; `make` alone lists the rest.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
PORT ?= 8000
ARGS ?=
PRODUCT := audit_site companies agreements integrations manage.py gunicorn.conf.py

.DEFAULT_GOAL := help
.PHONY: help run test costs lint format lock bench tables access house schema screenshots recording sbom licences images advisories clean

help:
	@echo "make run          everything on this machine, with a sandbox PSA (PORT=8001 for another port)"
	@echo "make test         all tests, on SQLite and PostgreSQL (ARGS='-k name' for some, ARGS=quick for what costs little: about a minute and a half)"
	@echo "make costs        measure which tests cost much: ARGS=quick leaves those out"
	@echo "make lint         style, types, direction of imports, migrations, templates, risky calls, licences, typed secrets"
	@echo "make format       put Python and templates in shape"
	@echo "make bench        a first sync beside the bare floor, MRR beside SQL and pandas, the import list beside SQL, kept books, suggested links, REST beside a bare view, waits, growth (ARGS=sync, mrr, list, books, matching, rest, waiting, fairness or growth)"
	@echo "make tables       which contract case and which bad day ends how for which PSA, into docs/ (ARGS=bad-days)"
	@echo "make access       which endpoint answers whom how, into docs/access.md"
	@echo "make house        how the code is built: imports against the law, sizes, repeated rules (ARGS=write into docs/, ARGS=details)"
	@echo "make schema       the REST contract as it is into docs/openapi.json, and what breaks clients of the last release (ARGS=release: this is one)"
	@echo "make screenshots  the pictures in docs/screenshots, from a running \`make run\`"
	@echo "make recording    the pictures of a sync run that waits for a limit, from a running \`make run\`"
	@echo "make sbom         the bill of materials (CycloneDX) into sbom.cdx.json (ARGS=FILE for another place)"
	@echo "make licences     the licences of all parts into docs/licences.md"
	@echo "make images       pin the images of containers to the digests that their registry has now (needs docker)"
	@echo "make advisories   known weaknesses of the locked packages (needs the network)"
	@echo "make lock         lock requirements.in and requirements-dev.in with hashes"

# The first Python 3.11 there is
FIND_PYTHON = for p in python3.11 python3 python; do \
	  if command -v $$p >/dev/null && [ "$$($$p -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)" = 3.11 ]; \
	  then echo $$p; exit; fi; done

$(VENV)/made:
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 is not here. Install it (Debian 12: apt install python3.11 python3.11-venv; elsewhere: pyenv install 3.11) and try again." >&2; exit 1; fi; \
	if ! $$python -m venv $(VENV) 2>/dev/null; then \
	  rm -rf $(VENV); \
	  echo "Python 3.11 is here, but can't make virtual environments. Debian: apt install python3.11-venv. Then try again." >&2; exit 1; fi
	@touch $@

$(VENV)/requirements: $(VENV)/made requirements.txt
	@echo "Installing what the product runs on …"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/requirements-dev: $(VENV)/requirements requirements-dev.txt requirements-clients.txt
	@echo "Installing tests and tools …"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  --ignore-requires-python --upgrade --target $(VENV)/clients -r requirements-clients.txt
	@touch $@

$(VENV)/requirements-bench: $(VENV)/requirements-dev requirements-bench.txt
	@echo "Installing what the bench compares with …"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

run: $(VENV)/requirements
	@PORT=$(PORT) exec $(PYTHON) -m audit_site.local.run

test: $(VENV)/requirements-dev
	@$(PYTHON) -m audit_site.local.test $(ARGS)

costs: export DATABASE_URL =
costs: export CELERY_BROKER_URL =
costs: $(VENV)/requirements-dev
	@$(PYTHON) -m pytest -p tests.costs -n 2 --dist worksteal -q

lint: export DEBUG = 1
lint: export VAR_DIR = $(abspath $(VENV))/lint
lint: $(VENV)/requirements-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(VENV)/bin/djlint templates --lint --quiet
	$(VENV)/bin/djlint templates --check --quiet
	$(VENV)/bin/bandit --configfile pyproject.toml --quiet --recursive $(PRODUCT)
	$(VENV)/bin/bandit --skip B105,B106,B107,B311,B404 --quiet --recursive integrations/sandbox
	$(PYTHON) -m tests.supply_chain check
	$(PYTHON) -m tests.supply_chain secrets

format: $(VENV)/requirements-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/djlint templates --reformat --quiet

bench: $(VENV)/requirements-bench
	@$(PYTHON) -m tests.bench $(ARGS)

tables: export DEBUG = 1
tables: export VAR_DIR = $(abspath $(VENV))/lint
tables: $(VENV)/requirements-dev
	@$(PYTHON) -m tests.tables $(ARGS)

access: $(VENV)/requirements-dev
	@AUDIT_WRITE_ACCESS_TABLE=1 $(PYTHON) -m pytest tests/audit_site/api/test_access.py -q

house: $(VENV)/requirements-dev
	@$(PYTHON) -m tests.house $(ARGS)

schema: export DEBUG = 1
schema: export VAR_DIR = $(abspath $(VENV))/lint
schema: $(VENV)/requirements-dev
	@$(PYTHON) manage.py spectacular --validate --fail-on-warn --format openapi-json --file docs/openapi.json
	@$(PYTHON) -m tests.api_changes $(ARGS)

screenshots: $(VENV)/requirements-dev
	@$(PYTHON) -m tests.browser.screenshots http://127.0.0.1:$(PORT)
	@PICTURES=1 $(PYTHON) -m pytest tests/browser/test_connection_states.py -q

recording: $(VENV)/requirements-dev
	@$(PYTHON) -m tests.browser.recording http://127.0.0.1:$(PORT)

sbom: $(VENV)/requirements-dev
	@$(PYTHON) -m tests.supply_chain sbom $(ARGS)

licences: $(VENV)/requirements-dev
	@$(PYTHON) -m tests.supply_chain licences

images: $(VENV)/requirements-dev
	@$(PYTHON) -m tests.supply_chain images

advisories: $(VENV)/requirements-dev
	@$(VENV)/bin/uvx --quiet pip-audit@2.10.0 --disable-pip --require-hashes -r requirements.txt

lock: $(VENV)/requirements-dev
	$(VENV)/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt
	$(VENV)/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt
	$(VENV)/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-header requirements-bench.in -o requirements-bench.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
