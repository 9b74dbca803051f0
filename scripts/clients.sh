#!/bin/sh
# Install the clients that tests/agents drives below .clients, and print the directories of their programs.
# What cannot be installed is left out: its tests are skipped and say so.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/.clients
mkdir -p "$home"
say() { printf 'clients: %s\n' "$*" >&2; }

if command -v npm >/dev/null 2>&1; then
    for package in @anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai; do
        [ -d "$home/node_modules/$package" ] || {
            say "installing $package"
            npm install --prefix "$home" --no-audit --no-fund "$package" >>"$home/install.log" 2>&1 ||
                say "cannot install $package: see $home/install.log"
        }
    done
else
    say "npm is missing: only aider can be tested"
fi
if [ ! -x "$home/aider/bin/aider" ]; then
    say "installing aider-chat"
    python3 -m venv "$home/aider" >>"$home/install.log" 2>&1 &&
        "$home/aider/bin/pip" install -q aider-chat >>"$home/install.log" 2>&1 ||
        say "cannot install aider-chat: see $home/install.log"
fi
printf '%s:%s\n' "$home/node_modules/.bin" "$home/aider/bin"
