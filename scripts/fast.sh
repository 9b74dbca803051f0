#!/bin/sh
# Run the fast part of the tests: the core, nights by script, the contracts on memory, adapters and faces without tmux,
# `at` or another program for real. Under a minute.
#
#   scripts/fast.sh PYTHON [ARGUMENT ...]    with this interpreter, here; what follows goes to pytest
set -eu
python=$1
shift
exec "$python" -m pytest -m 'not real' tests/adapters tests/contracts tests/core tests/examples tests/faces \
  tests/scripts tests/test_package.py tests/test_samples.py "$@"
