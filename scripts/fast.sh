#!/bin/sh
# Run the fast tests: the core, scripted deployments, the contracts on the in-memory adapters, and the tests of adapters
# and faces that need no tmux, `at` or other program. On all cores: PYTEST_XDIST_AUTO_NUM_WORKERS sets how many are used.
#
#   scripts/fast.sh PYTHON [ARGUMENT ...]    with this interpreter, here; the arguments go to pytest
set -eu
python=$1
shift
exec "$python" -m pytest -n auto --dist worksteal -m 'not real' tests/adapters tests/contracts tests/core tests/examples tests/faces \
  tests/scripts tests/test_package.py tests/test_samples.py "$@"
