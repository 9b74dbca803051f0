#!/bin/sh
# Run the fast tests with the newest versions that pyproject.toml allows, and report what differs from uv.lock. Failures
# are only reported: the locked versions stay until `make lock` updates them.
set -eu
cd "$(dirname "$0")/.."
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
pip='-m pip --disable-pip-version-check --no-input'

.venv/bin/python -m venv "$room/venv"
python=$room/venv/bin/python
# shellcheck disable=SC2086 # our own words
if ! "$python" $pip install --quiet -e '.[dev]'; then
  echo 'newest: the newest versions cannot be installed together, see above; those of uv.lock hold'
  exit 0
fi

echo 'newest: versions, where they differ from uv.lock'
"$python" - requirements/dev.txt <<'END'
import re
import sys
from importlib.metadata import PackageNotFoundError, version

for name, locked in re.findall(r"^([a-z0-9-]+)==([^ ;]+)", open(sys.argv[1]).read(), re.MULTILINE):
    try:
        newest = version(name)
    except PackageNotFoundError:  # build tools, which pip installs into a separate environment
        continue
    if newest != locked:
        print(f"newest:   {name} {newest}, locked {locked}")
END

if scripts/fast.sh "$python" -q -p no:cacheprovider; then
  echo 'newest: the fast part passes with these versions'
else
  echo "newest: the fast part fails with these versions (status $?); those of uv.lock hold"
fi
