#!/bin/sh
# Run one session of a batch as a Slurm job, in a tmux server of its own.
#
#     sbatch ... --array=0-N job.sh BATCH
#     srun ... job.sh BATCH TASK            as a step, in an allocation: hold.sh
#
# BATCH is a directory that the host which submits and the node share. Its files:
#
#     contain.sh  optional: runs a program in a container; why it could not is the line that it writes into K.refused
#     tasks.sh  for each task, its session's name, and `create`, which makes it with the functions and variables below
#
# and of the task K of the array:
#
#     K.began   written first, by whichever job comes first: the job's raw id, or that of the step, the node, and what
#               Slurm calls it. Another job of the same task, as Slurm may make one by a requeue or a repeated request,
#               runs nothing: exit status 125.
#     K.screen  written when the session ends: what it showed, with the codes of its colours
#     K.over    written last, atomically: `exited N`, or `ended` if the program left no status, `ended told` if this
#               script was told to end before it did, `ended server` if the tmux server did; `refused WORDS` if it could
#               not begin
#
# The server is no daemon: it stays below this script, where Slurm finds it. It has a directory of its own on the node,
# which only this user can enter. This script ends when the session's first program does, with its status.

# A signal, as of a `scancel` or a time limit, ends the wait below; it may come before anything is there.
asked=
trap 'asked=1' TERM INT HUP

batch=$1 task=${2:-$SLURM_ARRAY_TASK_ID} job=$SLURM_JOB_ID${2:+.$SLURM_STEP_ID}
at=$batch/$task
node=$(uname -n)
if ! [ -r "$batch/tasks.sh" ]; then
    echo "$batch: not on $node: the state directory must be shared with the nodes"
    exit 126
fi
(umask 077 && set -C && echo "$job $node $SLURMD_NODENAME" >"$at.began") 2>/dev/null || exit 125

over() { # WORDS
    (umask 077 && echo "$*" >"$at.over.tmp") && mv -f "$at.over.tmp" "$at.over"
}

refuse() { # WORDS: nothing could be started
    echo "$*"
    over "refused $*"
    exit 127
}

tmux=$(command -v tmux) || refuse "tmux: not found on $node"
WAKEMAN_JOB=/tmp/wakeman-$(id -u).${batch##*/}.$task
WAKEMAN_TASK=$at
export WAKEMAN_JOB WAKEMAN_TASK
mkdir -m 700 "$WAKEMAN_JOB" || refuse "$WAKEMAN_JOB: cannot be made on $node"
socket=$WAKEMAN_JOB/tmux

# -D: not as a daemon, and it stays without a session.
"$tmux" -D -u -f /dev/null -S "$socket" &
server=$!

call() { # COMMAND...
    "$tmux" -u -S "$socket" "$@"
}

tries=0
until call show-options -s exit-empty >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
        kill -KILL "$server"
        rm -rf "$WAKEMAN_JOB"
        refuse "tmux: does not start on $node: $("$tmux" -V 2>&1)"
    fi
    sleep 0.05
done

name= pane= said=
. "$batch/tasks.sh"
if [ -z "$asked" ] && said=$(create 2>&1); then
    # `wakeman: SESSION PID PANE` is what the creation prints.
    pane=$(printf '%s\n' "$said" | sed -n 's/^wakeman: [^ ]* \([0-9][0-9]*\) .*/\1/p' | head -n 1)
fi

# The program's status is a file on the node.
while [ -n "$pane" ] && [ -z "$asked" ] && ! [ -e "$WAKEMAN_JOB/status" ] && kill -0 "$pane" 2>/dev/null; do
    sleep 0.5 &
    wait $!
done

status= cut=
if [ -e "$WAKEMAN_JOB/status" ]; then
    read -r status <"$WAKEMAN_JOB/status"
elif [ -n "$pane" ] && [ -z "$asked" ] && ! call show-options -s exit-empty >/dev/null 2>&1; then
    cut=1
fi
if (umask 077 && call capture-pane -p -e -J -S -2000 -t "=$name:" >"$at.screen.tmp" 2>/dev/null); then
    mv -f "$at.screen.tmp" "$at.screen"
fi
[ -n "$pane$asked" ] || echo "tmux on $node: $said"
call kill-server 2>/dev/null # its sessions are hung up on

# Slurm kills what is left when this script ends: the program's wrapper still writes the exit status. What has no parent
# but Slurm stays a zombie until then.
tries=0
while [ -n "$pane" ] && ps -o stat= -s "$pane" 2>/dev/null | grep -qv '^Z' && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
kill -KILL "$server" 2>/dev/null
rm -rf "$WAKEMAN_JOB"
if [ -e "$at.refused" ]; then
    read -r said <"$at.refused"
    refuse "$said"
fi
if [ -n "$status" ]; then
    over "exited $status"
    exit "$status"
fi
over ended${asked:+ told}${cut:+ server}
exit 124
