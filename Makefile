# Everything that is done in this checkout. Each target is a line or two over the tools in .venv; the first call sets up
# what it needs (scripts/bootstrap.py) and leaves a stamp, so that later calls start at once. `make help` lists them.

export PATH := $(CURDIR)/.venv/bin:$(PATH)
SETUP := scripts/bootstrap.sh
USE := .venv/.use
DEV := .venv/.dev
NODE := node_modules/.petra
# The ledger of the demo; `make demo LEDGER=memory` needs no Node.js and nothing from npm.
LEDGER ?= $$(python scripts/bootstrap.py ledger)
CODE := $(shell for folder in src tests scripts benchmarks examples; do find $$folder -name '*.py' 2>/dev/null | grep -q . && echo $$folder; done)
FORGE = $$(python -c 'from petra.tools import find_foundry; print(find_foundry("forge") or "forge")')

.PHONY: help setup demo test test-marked test-all lint fix typecheck layers verify verify-client contracts check bench lock network-tools verify-network verify-services verify-grid clean
.DELETE_ON_ERROR:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(DEV) $(NODE) ## install everything into .venv and node_modules

demo: $(USE) $(if $(filter memory,$(LEDGER)),,$(NODE)) ## simulate the paper's case study and write its report
	petra simulate case-study --ledger $(LEDGER) --seed 1 --out runs/demo --force
	petra report runs/demo
	@echo "The report: runs/demo/report.html"

test: $(DEV) $(NODE) ## run the tests (under two minutes)
	python -m pytest -q -n 2 -m "not slow and not geth and not postgresql" $(ARGS)

test-marked: $(DEV) $(NODE) network-tools ## run the other tests: the slow ones, and those on a network of validators
	python -m pytest -q -n 2 -m "slow or geth or postgresql" $(ARGS)

test-all: test test-marked ## run every test

lint: $(DEV) ## check style and formatting of imports
	ruff check $(CODE)

fix: $(DEV) ## repair what the style checker can repair
	ruff check --fix $(CODE)

typecheck: $(DEV) ## check types, strictly
	mypy $(CODE)

layers: $(DEV) ## check who imports whom
	lint-imports

verify-client: $(DEV) $(NODE) ## plant every fault and reorganisation, and kill the client 2,000 times (a quarter of an hour)
	python -m pytest -q -n 2 tests/faults $(ARGS)
	python -m tests.faults.kills --kills 2000 --record docs/records/client-kills.json

contracts: $(DEV) $(NODE) ## compare the shipped contract with a fresh compilation and run its own tests
	python scripts/compile_contracts.py --check
	cd contracts && $(FORGE) test
	python scripts/mutate_contract.py --sample 10 --seed 1

verify: $(DEV) $(NODE) ## verify the contract at full length and record it (two hours and a half)
	python scripts/verify.py proofs --record docs/records/contract-proofs.json
	python scripts/verify.py slither --record docs/records/contract-slither.json
	python scripts/gas_table.py --check
	python -m tests.differential.record --steps 1000000 --record docs/records/differential.json
	python scripts/mutate_contract.py --record docs/records/contract-mutants.json
	python scripts/verify.py invariants --record docs/records/contract-invariants.json

check: lint typecheck layers contracts test ## everything that a change must pass

bench: $(DEV) $(NODE) ## measure
	@for file in benchmarks/*.py; do echo "== $$file" && python $$file || exit 1; done

lock: $(DEV) $(NODE) ## write the lock files again, with the newest versions that pyproject.toml and package.json allow
	python scripts/lock.py

network-tools: $(USE) ## build geth, the node of `petra network`, into .tools
	python scripts/network_tools.py

verify-network: $(USE) network-tools ## play the case study on real validators that die, part, censor or lie (20 minutes)
	python scripts/verify_network.py

verify-services: $(DEV) $(NODE) ## kill the live services at every point, in ordered pairs and 1,000 times at random (two hours)
	python scripts/verify_services.py points
	python scripts/verify_services.py cold
	python scripts/verify_services.py kills
	python scripts/verify_services.py pairs

verify-grid: $(USE) ## fill five grids, solve what was granted, let homes collude, play the stressed day (some minutes)
	python scripts/verify_grid.py
	python -m tests.safety.collusion
	python benchmarks/grant_latency.py

clean: ## remove everything that make made, but no run
	rm -rf .venv .tools node_modules .setup.log .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache contracts/out contracts/cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is older than its inputs, or missing: let the script see whether there is anything to do.
$(USE): requirements.txt requirements-build.txt pyproject.toml
	@$(SETUP) use

$(DEV): requirements-dev.txt $(USE)
	@$(SETUP) dev

$(NODE): package-lock.json requirements-node.txt $(USE)
	@$(SETUP) node
