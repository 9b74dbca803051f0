#!/bin/sh
# Set up what `make` needs: Python, tmux, at, and the virtual environment. Quiet when there is nothing to do.
#
#   scripts/setup.sh demo    tmux, and the package; `at` if it may be installed
#   scripts/setup.sh dev     tmux, `at` with its daemon, and the package with all that tests and checks need; for root
#                            on Linux strace, valgrind, faketime, bubblewrap, libfuse and chromium too, if they can be had:
#                            tests are skipped without
#   scripts/setup.sh bench   the same, and the programs that measurements compare with
#
# Python packages have the versions of uv.lock, build tools included: installed by uv, or without it by pip from
# requirements/KIND.txt, the lock's export with hashes. `make lock` updates both.
#
# System packages are installed as root, by sudo without a password, or by brew. If none of these is possible, it prints
# the command that a person must run and exits with 2.
# PYTHON names the interpreter to use; by default, the first suitable one of python3 and python3.14 to python3.11.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
sbin=/usr/local/sbin:/usr/sbin:/sbin # atd and programs of package managers are there; a user's PATH may lack them

say() { printf 'setup: %s\n' "$*" >&2; }

stop() {
  say "$@"
  exit 2
}

have() { command -v "$1" >/dev/null 2>&1; }

# Run a command; show what it printed only if it fails.
quietly() {
  if "$@" >"$log" 2>&1 </dev/null; then return 0; else code=$?; fi
  cat "$log" >&2
  say "failed with status $code: $*"
  return "$code"
}

# --- system packages -------------------------------------------------------------------------------------------------

manager=
for name in brew apk pacman zypper dnf apt-get; do
  if have "$name"; then manager=$name; fi
done

# Prefix of a command that needs root: nothing for root, `sudo -n` if that asks nothing. Fails if neither is possible.
rights() {
  if [ "$(id -u)" = 0 ] || [ "$manager" = brew ]; then
    return 0
  fi
  have sudo && sudo -n true 2>/dev/null && echo 'sudo -n'
}

# The command that installs packages, as a person would type it.
installs() {
  case $manager in
    apt-get) set -- apt-get install -y --no-install-recommends "$@" ;;
    dnf) set -- dnf install -y "$@" ;;
    zypper) set -- zypper --non-interactive install "$@" ;;
    pacman) set -- pacman -S --needed --noconfirm "$@" ;;
    apk) set -- apk add "$@" ;;
    brew) set -- brew install "$@" ;;
    *) set -- "your system's package manager, to install" "$@" ;;
  esac
  echo "$*"
}

as_person() {
  case $(id -u):$manager in
    0:* | *:brew | *:) echo "$*" ;;
    *) echo "sudo $*" ;;
  esac
}

# Install packages; return 2 if it may not. Package lists are updated if the first try fails.
install() (
  # shellcheck disable=SC2030,SC2031 # meant for this subshell alone
  PATH=$PATH:$sbin
  if [ -z "$manager" ] || ! prefix=$(rights); then exit 2; fi
  say "installing $*"
  command=$(installs "$@")
  # Unquoted on purpose: both are our own words, without spaces.
  # shellcheck disable=SC2086
  case $manager in
    apt-get)
      set -- $prefix env DEBIAN_FRONTEND=noninteractive
      "$@" $command >"$log" 2>&1 </dev/null && exit 0
      quietly "$@" apt-get update && quietly "$@" $command
      ;;
    pacman)
      $prefix $command >"$log" 2>&1 </dev/null && exit 0
      quietly $prefix pacman -Sy && quietly $prefix $command
      ;;
    *) quietly $prefix $command ;;
  esac
)

# Install packages, or end here with the command that a person must run.
need() {
  why=$1
  shift
  install "$@" && return 0
  stop "$why; run: $(as_person "$(installs "$@")")"
}

# --- the daemon of `at` ----------------------------------------------------------------------------------------------

at_runs() {
  if [ "$(uname)" = Darwin ]; then
    launchctl print system/com.apple.atrun >/dev/null 2>&1
    return
  fi
  for file in /run/atd.pid /var/run/atd.pid; do
    if [ -r "$file" ] && pid=$(cat "$file") && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = atd ]; then
      return 0
    fi
  done
  return 1
}

at_start() (
  # shellcheck disable=SC2030,SC2031 # meant for this subshell alone
  PATH=$PATH:$sbin
  if [ "$(uname)" = Darwin ]; then
    echo 'launchctl load -w /System/Library/LaunchDaemons/com.apple.atrun.plist'
  elif [ -d /run/systemd/system ]; then
    echo 'systemctl enable --now atd'
  elif have rc-service; then
    echo 'rc-service atd start'
  else
    command -v atd || echo atd
  fi
)

# Ensure that the daemon runs. If a person must start it, print the command and fail.
at_ready() {
  at_runs && return 0
  if [ "$(id -u)" != 0 ]; then
    say "the daemon of at is not running; run: sudo $(at_start)"
    return 1
  fi
  say "the daemon of at is not running; starting it: $(at_start)"
  # shellcheck disable=SC2046 # our own command
  quietly $(at_start) || return 1
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    at_runs && return 0
    sleep 0.2
  done
  say "the daemon of at did not come up; run: $(at_start)"
  return 1
}

# --- Python ----------------------------------------------------------------------------------------------------------

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Find an interpreter; one that can make virtual environments goes before one that cannot.
interpreter() {
  found=
  for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if ! fits "$name"; then
      continue
    elif "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      echo "$name"
      return
    fi
    found=${found:-$name}
  done
  echo "$found"
}

virtual_environment() {
  python=$(interpreter)
  if [ -z "$python" ] && [ -n "${PYTHON:-}" ]; then
    stop "PYTHON=$PYTHON is not Python 3.11 or newer"
  elif [ -z "$python" ]; then
    case $manager in
      apt-get) need 'Python 3.11 or newer is missing' python3 python3-venv ;;
      brew) need 'Python 3.11 or newer is missing' python ;;
      pacman) need 'Python 3.11 or newer is missing' python ;;
      *) need 'Python 3.11 or newer is missing' python3 ;;
    esac
    python=$(interpreter)
    [ -n "$python" ] || stop "the system's python3 is older than 3.11; install a newer one, and name it in PYTHON"
  fi
  if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $manager in
      apt-get) need "$python cannot make virtual environments" "python$version-venv" ;;
      *) stop "$python cannot make virtual environments: it has no ensurepip; name another in PYTHON" ;;
    esac
  fi
  say "making .venv with $("$python" -c 'import sys; print(sys.executable)')"
  quietly "$python" -m venv --clear .venv
}

# The stamp identifies the tree, pyproject.toml and lock with which the environment was filled.
filled() {
  for filling in "$@"; do
    if [ "$(cat ".venv/setup-$filling" 2>/dev/null)" = "$stamp" ]; then return 0; fi
  done
  return 1
}

# Programs in .venv have its path in their first line, so a copied or moved one is made again.
moved() {
  for file in .venv/setup-*; do
    case $(cat "$file" 2>/dev/null) in "$root "* | '') ;; *) return 0 ;; esac
  done
  return 1
}

# Fill .venv with what is locked for this kind and the package itself, with an extra if one is named.
locked() {
  if have uv; then
    set -- uv sync --quiet --locked --python .venv/bin/python ${1:+--extra "$1"}
    quietly env UV_PROJECT_ENVIRONMENT=.venv "$@" && return 0
    say "going on with pip, from requirements/$kind.txt"
  fi
  set -- .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input
  quietly "$@" --require-hashes -r "requirements/$kind.txt" && quietly "$@" --no-deps --no-build-isolation -e .
}

# Fill .venv for an extra of the package ('' for none), unless a filling of one of the kinds that follow it will do.
package() {
  extra=$1
  shift
  stamp="$root $(cat pyproject.toml uv.lock | cksum)"
  if ! [ -x .venv/bin/python ] || ! fits .venv/bin/python; then
    virtual_environment
  elif filled "$@"; then
    return 0
  elif moved || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    virtual_environment
  fi
  say "installing the package and what it needs for '$kind' into .venv"
  locked "$extra"
  echo "$stamp" >".venv/setup-$kind"
}

# --- start ---------------------------------------------------------------------------------------------------------

kind=${1:-}
case $kind in
  demo | dev | bench) ;;
  *) stop 'usage: scripts/setup.sh demo|dev|bench' ;;
esac
log=$(mktemp)
trap 'rm -f "$log"' EXIT

missing=
have tmux || missing=tmux
if have at && have atq && have atrm; then at=there; else at=missing; fi

if [ "$kind" = demo ]; then
  [ -z "$missing" ] || need 'tmux is missing' tmux
  if [ "$at" = missing ] && ! install at; then
    say "at is missing; run: $(as_person "$(installs at)")"
    weak=yes
  fi
  if [ -n "${weak:-}" ] || ! at_ready; then
    say 'going on without at: a tmux timer is then the alarm, and it ends with the tmux server'
  fi
  package '' demo dev bench
else
  [ "$at" = there ] || missing="$missing at"
  # shellcheck disable=SC2086 # a list of package names
  [ -z "$missing" ] || need "missing: ${missing# }" $missing
  if [ "$(uname):$(id -u)" = Linux:0 ]; then
    wanted=
    have strace || wanted=strace
    have valgrind || wanted="$wanted valgrind"
    case $manager in apt-get) faketime=faketime ;; *) faketime=libfaketime ;; esac
    have faketime || wanted="$wanted $faketime"
    have bwrap || wanted="$wanted bubblewrap"
    case $manager in apt-get) fuse=libfuse3-3 ;; *) fuse=fuse3 ;; esac
    PATH=$PATH:$sbin ldconfig -p 2>/dev/null | grep -q 'libfuse3\.so' || wanted="$wanted $fuse"
    have chromium || wanted="$wanted chromium"
    case $manager in apt-get) notify=libnotify-bin ;; *) notify=libnotify ;; esac
    have notify-send || wanted="$wanted $notify"
    have dbus-daemon || wanted="$wanted dbus"
    # shellcheck disable=SC2086 # a list of package names
    [ -z "$wanted" ] || install $wanted || say "going on without ${wanted# }: tests that need it are skipped"
  fi
  at_ready || exit 2
  if [ "$kind" = dev ]; then package dev dev bench; else package bench bench; fi
fi
