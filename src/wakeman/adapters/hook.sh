#!/bin/sh
# Keep the last thing that a client said of itself, whole or not at all, in DIR/said/hook.
#
#     /bin/sh hook.sh DIR EVENT [push [TEXT]]
#
# DIR is the attempt's directory. What is kept is TEXT, or standard input, or (of events whose name says enough)
# `{"hook_event_name":"EVENT"}`. With `push` a check is started, as the wrapper does at the end of an attempt; of
# a confined one by the wrapper itself, which waits at the pipe DIR/said/push.
#
# DIR/outputs lists what is to be made, a path and its spelling in JSON a line, a tab between. At the event Stop the
# client is told twice at most which of them are not there, in the words that Claude Code reads as a refusal.

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

# By its being new it is known that what was typed has arrived.
[ "$event" = UserPromptSubmit ] && : >"$said/heard.$$" && mv -f "$said/heard.$$" "$said/heard"

# Line feeds stand between the tokens of JSON alone: a text has them escaped.
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
