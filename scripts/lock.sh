#!/bin/sh
# Update uv.lock to match pyproject.toml, and write its exports: requirements/KIND.txt, with hashes, from which
# scripts/setup.sh installs without uv. The only index in them is PyPI, regardless of this machine's settings.
#
#   scripts/lock.sh              locked versions stay, if pyproject.toml allows them
#   scripts/lock.sh --upgrade    the newest version of everything; other arguments of `uv lock` work too
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
