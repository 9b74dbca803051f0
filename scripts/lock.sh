#!/bin/sh
# Fit uv.lock to pyproject.toml, and write its exports: requirements/KIND.txt, with hashes, from which scripts/setup.sh
# installs where uv is absent. Names PyPI alone, whatever index this machine is set to.
#
#   scripts/lock.sh              what is locked stays, where pyproject.toml lets it
#   scripts/lock.sh --upgrade    everything in its newest version; what else uv lock takes goes along too
#
# Without uv on PATH, one is installed from PyPI for this run.
set -eu
cd "$(dirname "$0")/.."

if ! command -v uv >/dev/null 2>&1; then
  room=$(mktemp -d)
  trap 'rm -rf "$room"' EXIT
  "${PYTHON:-python3}" -m venv "$room"
  "$room/bin/python" -m pip install --quiet --disable-pip-version-check --no-input uv
  PATH=$room/bin:$PATH
fi
unset UV_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL UV_FIND_LINKS
export UV_DEFAULT_INDEX=https://pypi.org/simple

uv lock --quiet "$@"
for kind in demo dev bench; do
  case $kind in demo) extra= ;; *) extra=$kind ;; esac
  {
    echo "# What '$kind' installs, from uv.lock; written by: make lock"
    uv export --quiet --locked ${extra:+--extra "$extra"} --group build --no-emit-project --no-header --no-annotate
  } >"requirements/$kind.txt.new"
  mv "requirements/$kind.txt.new" "requirements/$kind.txt"
done
