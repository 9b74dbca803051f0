#!/bin/sh
# Build the wheel, install it with the locked versions, and run the fast tests on it outside the checkout, on the oldest
# and the newest Python that scripts/pythons.sh finds.
#
#   scripts/wheel.sh [PYTHON ...]    on these interpreters instead
set -eu
cd "$(dirname "$0")/.."
say() { printf 'wheel: %s\n' "$*" >&2; }
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
pip='-m pip --quiet --disable-pip-version-check --no-input'

[ $# -gt 0 ] || set -- $(scripts/pythons.sh | sed -n '1p;$p' | cut -d ' ' -f 2 | uniq)
if [ $# = 0 ]; then
  say 'no Python of pyproject.toml that can make virtual environments; name one: scripts/wheel.sh PYTHON'
  exit 2
fi
[ $# -gt 1 ] || say "only $1 is here"

say 'building the wheel'
# shellcheck disable=SC2086 # words of ours
.venv/bin/python $pip wheel --no-deps --no-build-isolation --wheel-dir "$room/dist" .
set -- "$room"/dist/*.whl "$@"
wheel=$1
shift

# The files that the fast tests read, without src.
mkdir -p "$room/place/docs" "$room/place/state"
cp -R .claude-plugin examples plugin pyproject.toml scripts tests "$room/place"
cp -R docs/generate.py docs/moving_picture.py docs/how-to docs/pictures docs/reference "$room/place/docs"
cp -R state/samples state/events.schema.json "$room/place/state"
lock=$PWD/requirements/dev.txt
export WAKEMAN_INSTALLED="$room/venv" WAKEMAN_SOURCE="$PWD/src/wakeman"
cd "$room/place"
unset PYTHONPATH

code=0
for python in "$@"; do
  say "testing ${wheel##*/} on $("$python" --version), $python"
  rm -rf "$room/venv"
  "$python" -m venv "$room/venv"
  # shellcheck disable=SC2086 # words of ours
  "$room/venv/bin/python" $pip install --require-hashes -r "$lock"
  # shellcheck disable=SC2086 # words of ours
  "$room/venv/bin/python" $pip install --no-deps "$wheel"
  scripts/fast.sh "$room/venv/bin/python" -q -p no:cacheprovider || code=$?
done
exit "$code"
