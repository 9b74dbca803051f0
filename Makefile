# Each target does its own set-up; scripts/setup.sh says what that is. PYTHON names the interpreter for a new .venv.
.POSIX:
.PHONY: mutants help setup setup-bench setup-demo demo test test-fast test-wheel test-newest test-agents check lock lint types \
  imports docs bench torture clean

IN = .venv/bin

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1: \2/p' Makefile

setup: ## install what tests and checks need: tmux, at, .venv
	@scripts/setup.sh dev

setup-bench: ## install what the measurements need
	@scripts/setup.sh bench

setup-demo: ## install what the demo needs
	@scripts/setup.sh demo

demo: setup-demo ## condense 54 modules with 7 workers and a cleanup, and print what came of it
	@scripts/demo.sh

test: setup ## run every test; core, protocol and audit must be covered in every branch
	$(IN)/python -m pytest --cov=wakeman --cov-branch --cov-report=
	$(IN)/python -m coverage report --include='src/wakeman/core/*,src/wakeman/engine/protocol/*,src/wakeman/audit/*' --fail-under=100

test-fast: setup ## run the tests that need no other program, in under a minute
	@scripts/fast.sh $(IN)/python

test-wheel: setup ## run these on the installed wheel, outside the checkout, on the oldest and the newest Python here
	@scripts/wheel.sh

test-newest: setup ## run these with the newest versions allowed, and tell what differs from the lock
	@scripts/newest.sh

test-agents: setup ## run the tests with real clients, in WAKEMAN_CLIENTS or installed below .clients
	@WAKEMAN_CLIENTS="$${WAKEMAN_CLIENTS:-$$(scripts/clients.sh)}" $(IN)/python -m pytest tests/agents

check: lint types imports test ## everything that must hold before a commit

lock: ## fit uv.lock and its exports in requirements/ to pyproject.toml; LOCK=--upgrade takes the newest versions
	@scripts/lock.sh $(LOCK)

lint: setup ## check format and style
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	for script in scripts/*.sh; do sh -n "$$script" || exit; done

types: setup ## check types
	$(IN)/python -m mypy

imports: setup ## check that imports run downwards
	$(IN)/lint-imports

docs: setup ## write the reference pages anew from the program's own tables
	$(IN)/python docs/generate.py

bench: setup-bench ## measure, each figure beside the plain thing that it is held against
	$(IN)/python -m bench.run

torture: setup ## torture the program: each system call killed or failing, disks, daemons, clocks; takes an hour
	WAKEMAN_TORTURE="$${WAKEMAN_TORTURE:-all}" $(IN)/python -m pytest tests/torture -s

mutants: setup ## break the program in each small way; fails where no test notices and nobody has said why; hours (MUTANTS=core/policy)
	$(IN)/python -m tests.mutation $(MUTANTS)

clean: ## remove what make has made; deployments under state/ stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov build dist
	rm -rf examples/condense/out
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
