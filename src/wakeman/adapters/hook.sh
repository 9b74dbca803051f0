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
# is told, at most twice, which of them are missing, in the format that Claude Code takes as a refusal to stop.

dir=$1 event=$2 push=$3
said=$dir/said
umask 077

missing=
if [ "$event" = Stop ] && [ -e "$dir/outputs" ] && [ ! -e "$said/refused.2" ]; then
    while IFS='	' read -r path spelled; do
        [ -e "$path" ] || missing="$missing${missing:+, }$spelled"
    done <"$dir/outputs"
fi

if [ -n "$missing" ]; then
    cat >/dev/null
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
Stop | StopFailure | PermissionRequest) tr -d '\n' ;;
notify) printf '%s' "$4" ;;
Refused) printf '{"hook_event_name":"%s"}' "$event" ;;
*)
    cat >/dev/null
    printf '{"hook_event_name":"%s"}' "$event"
    ;;
esac >"$said/hook.$$" && mv -f "$said/hook.$$" "$said/hook"

check=$dir/../../check.sh
if [ -n "$push" ] && [ -p "$said/push" ]; then
    echo push 1<>"$said/push" # opened for both, so that it waits for no reader
elif [ -n "$push" ] && [ -e "$check" ]; then
    cd / || exit 0
    detach=$(command -v setsid || command -v nohup)
    env -i "$detach" /bin/sh "$check" hook </dev/null >/dev/null 2>&1 &
fi
exit 0
