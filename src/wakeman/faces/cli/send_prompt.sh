#!/bin/sh
# send_prompt.sh, written by `wakeman compat`; `wakeman compat --remove` takes it away.
#
#     send_prompt.sh TARGET TEXT [--force] [--submit]
#
# TARGET is a session of the tmux server that plain `tmux` asks here. Exit status 0: typed, and taken where that shows.
case ${1-} in
    '' | -*)
        echo "usage: send_prompt.sh TARGET TEXT [--force] [--submit]" >&2
        exit 2
        ;;
esac
target=$1
shift
case ${TMUX-} in
    ?*,*,*) target=${TMUX%,*,*}:$target ;;
esac
exec PROGRAM send "tmux:$target" "$@"
