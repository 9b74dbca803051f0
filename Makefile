# Each target sets itself up by scripts/setup.sh. PYTHON names the interpreter of a new .venv.
.POSIX:
.PHONY: mutants help setup setup-bench setup-demo demo demo-slurm demo-ssh test test-fast test-wheel test-newest test-agents record-clients check lock lint types \
  imports docs site bench torture clean

IN = .venv/bin

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1: \2/p' Makefile

setup: ## install what tests and checks need: tmux, at, .venv
	@scripts/setup.sh dev

setup-bench: ## install what the measurements need
	@scripts/setup.sh bench

setup-demo: ## install what the demo needs
	@scripts/setup.sh demo

demo: setup-demo ## run the example: outline 54 modules with 7 workers and a cleanup worker, and print a summary
	@scripts/demo.sh

demo-slurm: setup ## run the example on a Slurm cluster of three nodes, which this machine stands in for
	@$(IN)/python -m tests.demo_elsewhere slurm

demo-ssh: setup ## run the example on three hosts called by ssh, which this machine stands in for
	@$(IN)/python -m tests.demo_elsewhere ssh

test: setup ## run every test, and require full branch coverage of core, protocol and audit
	$(IN)/python -m pytest -n auto --dist worksteal --cov --cov-report=
	$(IN)/python -m coverage report

test-fast: setup ## run the tests that need no other program, on all cores
	@scripts/fast.sh $(IN)/python

test-wheel: setup ## run the fast tests on the installed wheel, outside the checkout, on the oldest and newest Python here
	@scripts/wheel.sh

test-newest: setup ## run the fast tests with the newest versions allowed, and report what differs from the lock
	@scripts/newest.sh

test-agents: setup ## run the tests with real clients, in WAKEMAN_CLIENTS or installed below .clients; CLIENTS=latest: the newest
	@WAKEMAN_CLIENTS="$${WAKEMAN_CLIENTS:-$$(CLIENTS=$(CLIENTS) scripts/clients.sh)}" $(IN)/python -m pytest tests/agents

record-clients: setup ## record what the newest clients, or those in WAKEMAN_CLIENTS, show and report, and tell what changed
	@WAKEMAN_CLIENTS="$${WAKEMAN_CLIENTS:-$$(CLIENTS=latest scripts/clients.sh)}" $(IN)/python -m tests.agents.record $(ONLY)

check: lint types imports test ## everything that must pass before a commit

lock: ## update uv.lock and requirements/ to match pyproject.toml; LOCK=--upgrade takes the newest versions
	@scripts/lock.sh $(LOCK)

lint: setup ## check format and style
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	for script in scripts/*.sh; do sh -n "$$script" || exit; done

types: setup ## check types
	$(IN)/python -m mypy

imports: setup ## check that imports go downwards only
	$(IN)/lint-imports

docs: setup ## generate the reference pages from the program's own tables
	$(IN)/python docs/generate.py

site: setup ## build the documentation as a site: build/site/README.html; a warning is an error
	$(IN)/python -m sphinx --fail-on-warning --nitpicky --keep-going -q -b html -c docs/site docs build/site

bench: setup-bench ## measure, each figure next to a plain baseline
	$(IN)/python -m bench.run

torture: setup ## kill the program, or make it fail, at each system call; also disks, daemons, clocks; takes an hour
	WAKEMAN_TORTURE="$${WAKEMAN_TORTURE:-all}" $(IN)/python -m pytest tests/torture -s

mutants: setup ## mutation testing; fails on a mutant that no test kills and that has no listed reason; hours, or minutes (MUTANTS="--since main")
	$(IN)/python -m tests.mutation $(MUTANTS)

clean: ## remove everything that make created; deployments under state/ stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov build dist
	rm -rf examples/condense/out
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
