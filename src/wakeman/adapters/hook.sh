#!/bin/sh
# Store a client's last hook report atomically in DIR/said/hook.
#
#     /bin/sh hook.sh DIR EVENT [push [TEXT]]
#
# DIR is the attempt's directory. The report is TEXT, or standard input, or (for events whose name is enough)
# `{"hook_event_name":"EVENT"}`. With `push` it starts a check, as the wrapper does at the end of an attempt; for a
# confined attempt the wrapper starts it, which reads the pipe DIR/said/push.
#
# DIR/outputs lists the outputs, one per line: the path, a tab, and its spelling in JSON. At the event Stop the client
# is told, at most twice, which of them are missing, in the format that Claude Code takes as a refusal to stop. It is not
# while work of it runs in the background, which may be making them.

dir=$1 event=$2 push=$3
said=$dir/said
umask 077

# Whether the report on standard input, kept in $1, names background tasks or timers of its own: in JSON a quote inside a
# string has a backslash before it, so a key is found only where it is one.
works() {
    case $(tr -d ' \t\r\n' <"$1") in
    *'"background_tasks":[{'* | *'"session_crons":[{'*) return 0 ;;
    esac
    # What runs in another session than the client's, which is the wrapper's, was started by a command of the client.
    # This hook may have a session of its own.
    [ -n "$WAKEMAN_ATTEMPT" ] && [ -r /proc/self/environ ] && [ -r "$dir/claim" ] || return 1
    own=$(session "$(cat "$dir/claim")") here=$(session $$)
    for file in $(grep -lzxF "WAKEMAN_ATTEMPT=$WAKEMAN_ATTEMPT" /proc/[0-9]*/environ 2>/dev/null); do
        pid=${file#/proc/}
        found=$(session "${pid%/environ}")
        [ -z "$own" ] || [ -z "$found" ] || [ "$found" = "$own" ] || [ "$found" = "$here" ] || return 0
    done
    return 1
}

# The session of a process: the fourth field after its name, which is in brackets and may contain anything.
session() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
    set -f
    set -- ${stat##*) }
    printf '%s' "$4"
}

missing=
if [ "$event" = Stop ] && [ -e "$dir/outputs" ] && [ ! -e "$said/refused.2" ]; then
    while IFS='	' read -r path spelled; do
        [ -e "$path" ] || missing="$missing${missing:+, }$spelled"
    done <"$dir/outputs"
fi

report=$said/report.$$
[ -z "$missing" ] || cat >"$report"
if [ -n "$missing" ] && works "$report"; then
    missing=
fi
if [ -n "$missing" ]; then
    rm -f "$report"
    [ -e "$said/refused.1" ] && : >"$said/refused.2"
    : >"$said/refused.1"
    printf '{"decision":"block","reason":"These are still missing: %s. ' "$missing"
    printf 'Make them now. If that cannot be done, say why."}\n'
    event=Refused push=
fi

# A new file shows that the typed text has arrived.
[ "$event" = UserPromptSubmit ] && : >"$said/heard.$$" && mv -f "$said/heard.$$" "$said/heard"

# Line feeds occur only between the tokens of JSON: strings have them escaped.
case $event in
Stop | StopFailure | PermissionRequest | SessionEnd)
    if [ -e "$report" ]; then
        tr -d '\n' <"$report"
        rm -f "$report"
    else
        tr -d '\n'
    fi
    ;;
notify) printf '%s' "$4" ;;
Refused) printf '{"hook_event_name":"%s"}' "$event" ;;
*)
    cat >/dev/null
    printf '{"hook_event_name":"%s"}' "$event"
    ;;
esac >"$said/hook.$$" && mv -f "$said/hook.$$" "$said/hook"

check=$dir/../../check.sh
[ -z "${WAKEMAN_CONTAINED:-}" ] || push= # in a container, which has not what a check runs
if [ -n "$push" ] && [ -p "$said/push" ]; then
    echo push 1<>"$said/push" # opened for both, so that it waits for no reader
elif [ -n "$push" ] && [ -e "$check" ]; then
    cd / || exit 0
    detach=$(command -v setsid || command -v nohup)
    env -i "$detach" /bin/sh "$check" hook </dev/null >/dev/null 2>&1 &
fi
exit 0
