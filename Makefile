# Two commands are all a user needs, on a fresh machine too: `make run` and `make test`.
# Both set up everything first (tools/bootstrap.sh) and lose no time when nothing is missing.

BIN  := .venv/bin
HOME_DIR := .home

LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header
# All extras but the fuzzer of `make soak` and the rival planners of `make bench`, which would
# double the installation.
DEV_EXTRAS := --extra dev --extra docs --extra mqtt --extra plots --extra sweep --extra web

.PHONY: help run test check soak bench firmware lock setup clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run:  ## Set up, then show the appliance: a board in the terminal, keys are its button
	@tools/bootstrap.sh run
	@test -e $(HOME_DIR) || $(BIN)/trader init --demo --home $(HOME_DIR)
	@$(BIN)/trader demo --home $(HOME_DIR)

test: setup  ## Set up, then run the tests
	@$(BIN)/python tools/check.py tests

check: setup  ## Set up, then everything a change must pass: style, types, contracts, tests
	@$(BIN)/python tools/check.py

soak:  ## Run the long forms of the tests
	@tools/bootstrap.sh soak
	@HYPOTHESIS_PROFILE=soak $(BIN)/pytest -m soak

bench:  ## Run every benchmark (one: .venv/bin/python tools/bench.py NAME)
	@tools/bootstrap.sh bench
	@$(BIN)/python tools/bench.py --all

firmware: setup  ## Compile the firmware, report its size, renew the images that are shipped
	@$(BIN)/python tools/build_firmware.py --images

lock: setup  ## Lock the newest versions that pyproject.toml allows
	$(LOCK) requirements/installer.in -o requirements/installer.lock
	$(LOCK) pyproject.toml requirements/build.in requirements/installer.in \
		-o requirements/run.lock
	$(LOCK) pyproject.toml requirements/build.in requirements/installer.in $(DEV_EXTRAS) \
		-c requirements/run.lock -o requirements/dev.lock
	$(LOCK) pyproject.toml requirements/build.in requirements/installer.in $(DEV_EXTRAS) \
		--extra soak -c requirements/dev.lock -o requirements/soak.lock
	$(LOCK) pyproject.toml requirements/build.in requirements/installer.in $(DEV_EXTRAS) \
		--extra soak --extra bench -c requirements/soak.lock -o requirements/bench.lock

setup:  ## Set up only: Python, packages, firmware toolchain
	@tools/bootstrap.sh test

clean:  ## Remove what the commands above made, the demo home included
	rm -rf .venv .build .bootstrap.lock $(HOME_DIR) build dist .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
