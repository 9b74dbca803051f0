#!/bin/sh
# Run one attempt of a worker and store its exit status.
#
#     /bin/sh wrapper.sh DIR -- PROGRAM ARG...
#
# DIR is the attempt's own directory, an absolute path: DEPLOYMENT/attempts/ATTEMPT. Its files:
#
#     claim   written first, with this process's id. If it already exists, the attempt was started before:
#             nothing is run or written, exit status 125.
#     lasting optional: the attempt may begin once more after a restart of the machine, so its claim goes to the disk
#             before the program is run. Elsewhere a power cut ends the attempt, and its claim with it.
#     cwd     optional, the real path of the directory that the program is to start in, and a line feed. In another one,
#             where tmux starts it if it cannot go there, nothing is run, and the exit status is 126.
#     env     optional, lines `export KEY='value'`, mode 0600: variables only for the program.
#     words   optional, a line `set -- PROGRAM ARG...`, mode 0600: the program, where its words are too long to be given.
#     setup   optional, a script that runs before the program; its output goes to the terminal. If it fails, the
#             program is not run, and the script's exit status is the attempt's.
#     stdin   optional, a file or a symlink to one: the program reads it instead of the terminal.
#     stdout  optional, a file or a symlink to one (which need not exist yet): the program's standard output is
#             appended to it. Standard error stays on the terminal.
#     out     optional, a named pipe: the program's standard output goes there, and DEPLOYMENT/keep.sh appends it to
#             `stdout`, which gets at most as many bytes as the file `bound` says.
#     exit    written last, atomically: the exit status and a line feed; 128 + n for signal n, 127 for no such
#             program, 126 for one that cannot be run. If it exists, the program has ended.
#
# In DEPLOYMENT/running, if there is such a directory, the attempt has a file from its claim until its exit file, into
# which it is renamed: one listing tells of all attempts which have begun and have no exit file yet.
#
# The exit file is written however the program ends, also when the session or this process is killed. The
# program survives a TERM, INT or QUIT to this process; a HUP or KILL hangs up on the program.
#
# DEPLOYMENT/check.sh, if there is one, is then started as `sh check.sh exit`: in its own session, in `/`, without
# any environment; not in a container (WAKEMAN_CONTAINED). This script ends with the program's exit status.
#
# While the program runs, what comes by the pipe DIR/said/push, if there is one, starts `sh check.sh hook` in the same
# way, as a confined program cannot do that itself. The line's content is ignored.

dir=$1
shift 2

# Tools run with LC_ALL=C: to load the files of a language costs them more than what they do.
keep() { # FILE...: to the disk, where sync takes names; elsewhere it syncs everything
    LC_ALL=C sync "$@" 2>/dev/null
}

# The mask of who called, which the program and the check get: read where the kernel tells it, as asking the shell itself
# costs a process.
mask=
if { read -r mask && read -r name mask; } </proc/self/status && [ "$name" = Umask: ]; then :; else
    mask=$(umask)
fi 2>/dev/null
umask 077

# noclobber opens with O_EXCL: of two that start the same attempt, one fails here.
end=$dir/../../running/${dir##*/}
set -C
{ printf '%s\n' "$$" >"$dir/claim"; } 2>/dev/null || exit 125
set +C
{ printf '' >"$end"; } 2>/dev/null || end=$dir/exit.tmp
[ ! -e "$dir/lasting" ] || keep "$dir/claim" "$dir"

check() { # BY
    [ -z "${WAKEMAN_CONTAINED:-}" ] || return 0 # in a container, which has not what a check runs
    check=$dir/../../check.sh
    if [ -e "$check" ]; then
        cd / || return
        detach=setsid
        command -v setsid >/dev/null || detach=nohup
        { umask "$mask" && export LC_ALL=C && exec "$detach" env -i /bin/sh "$check" "$1"; } </dev/null >/dev/null 2>&1 &
    fi
}

# Ends when no process has the pipe open: the attempt has, as long as the program runs. The pause keeps a program that
# writes endlessly from flooding the machine with checks, and blocks instead of lines keep one that never ends a line from
# filling the memory of this shell, which is outside of its confinement.
pushes() {
    while [ "$(dd bs=4096 count=1 2>/dev/null | wc -c)" -gt 0 ]; do
        check hook
        sleep 0.2
    done
}

# Succeeds in the directory that `cwd` names: asked of the shell itself, as each process that starts costs as much as all
# of this, unless the name has a line feed in it. The `.` keeps one at a name's end.
placed() {
    home= more= shown=$PWD
    if { IFS= read -r home && ! IFS= read -r more; } <"$dir/cwd" && [ -z "$more" ]; then
        cd -P . 2>/dev/null || return
        more=$PWD
        PWD=$shown # as the program is to find it
        unset OLDPWD
        [ "$more" = "$home" ]
    else
        [ "$(pwd -P && echo .)" = "$(cat "$dir/cwd" && echo .)" ]
    fi
}

# Until what was printed is in the file: at most for a moment if a child that is left has the pipe open, too.
kept() {
    exec 8>&-
    rm -f "$dir/out"
    tries=0
    while kill -0 "$keeper" && [ "$tries" -lt 100 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done 2>/dev/null
}

# Runs in a child, so that this process, the leader of the terminal's session, can die of a hang-up: only then does the
# kernel hang up on the program too, and the child survives to write its exit status.
attempt() {
    # Caught, not ignored: the program starts with the signals' defaults.
    trap : HUP INT QUIT TERM
    push=$dir/said/push
    if [ -p "$push" ]; then
        exec 9<>"$push"
        (exec 9>&- && pushes) <"$push" >/dev/null 2>&1 &
    fi
    keeper=
    if [ -p "$dir/out" ] && [ -e "$dir/../../keep.sh" ]; then
        # Opened for both, so that neither waits for the other should one of them not start.
        exec 8<>"$dir/out"
        # Opened here: the program may be over, and the pipe removed, before the child comes to it.
        exec 7<"$dir/out"
        file=$(readlink "$dir/stdout" || echo "$dir/stdout")
        read -r bound <"$dir/bound"
        (
            exec 7<&- 8>&- 9>&-
            set -- "$file" "$bound"
            . "$dir/../../keep.sh"
        ) <&7 >/dev/null 2>&1 &
        keeper=$!
        exec 7<&-
    fi
    (
        exec 8>&- 9>&-
        umask "$mask"
        if [ -e "$dir/cwd" ] && ! placed; then
            if [ -h "$dir/stdout" ] || [ -e "$dir/stdout" ]; then
                exec >>"$dir/stdout"
            fi
            echo "not run: started in $(pwd -P), expected $(cat "$dir/cwd")"
            exit 126
        fi
        if [ -e "$dir/words" ]; then
            . "$dir/words"
        fi
        set -- "$dir" "$keeper" "$@" # `env` may set variables of any name
        if [ -e "$1/env" ]; then
            . "$1/env"
        fi
        if [ -e "$1/setup" ]; then
            /bin/sh "$1/setup" </dev/null || exit
        fi
        if [ -h "$1/stdin" ] || [ -e "$1/stdin" ]; then
            exec <"$1/stdin"
        fi
        if [ -n "$2" ]; then
            exec >"$1/out"
        elif [ -h "$1/stdout" ] || [ -e "$1/stdout" ]; then
            exec >>"$1/stdout"
        fi
        shift 2
        exec "$@"
    )
    code=$?
    exec 9>&-
    [ -z "$keeper" ] || kept

    # Ignored: a second Ctrl-C, or the hang-up when a session ends, must not end the tools below.
    trap '' HUP INT QUIT TERM
    if printf '%s\n' "$code" >"$end"; then
        keep "$end"
        LC_ALL=C mv -f "$end" "$dir/exit"
    fi

    trap : INT QUIT TERM
    check exit
    trap '' INT QUIT TERM
    keep "$dir" # behind the check's begin, which sees the name already; what it has seen is in the log
    exit "$code"
}

trap : INT QUIT TERM
(attempt "$@")
exit $?
