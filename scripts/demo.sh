#!/bin/sh
# Run the example deployment to its end and print a summary. `make demo` calls this after the set-up.
set -u
cd "$(dirname "$0")/.." || exit
PATH=$PWD/.venv/bin:$PATH # recorded by `up`: the plan's python3 must be the one that has PyYAML
WAKEMAN_STATE=$PWD/state
export PATH WAKEMAN_STATE

echo 'demo: about ten seconds; to watch, in another terminal: .venv/bin/wakeman log -f condense' >&2
wakeman up examples/condense/wakeman.toml --wait
code=$?
python examples/condense/summary.py condense || [ "$code" -ne 0 ] || code=$?
exit "$code"
