#!/bin/sh
# Print the interpreters of this machine that the package supports, oldest first: `3.11 /usr/bin/python3.11`.
#
# The versions are those of pyproject.toml's classifiers. Each is searched as pythonX.Y on PATH, then among
# pyenv's versions; one that cannot make virtual environments is skipped.
set -eu
cd "$(dirname "$0")/.."
for version in $(sed -n 's/.*"Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml); do
  for python in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      echo "$version $("$python" -c 'import sys; print(sys.executable)')"
      break
    fi
  done
done
