#!/bin/sh
# Hold an allocation, and run the sessions that are asked for in it, each as a step.
#
#     sbatch ... --ntasks=N hold.sh ALLOCATION OPTION...
#
# ALLOCATION is a directory that the host which submits and the nodes share, as are the batches beside it. The options are
# srun's, for each step. Its files:
#
#     job.sh  what a step runs
#     asked   lines `BATCH COUNT`: run the tasks 0 to COUNT - 1 of a batch; or `end`: nothing more. Only appended to.
#     began   written first, by whichever job comes first. Another one, as Slurm may make one by a requeue or a repeated
#             request, does nothing: exit status 125.
#     ending  written when its time is nearly over
#
# For a task K of which a step ends without a word (see job.sh), this script writes K.over, `ended silent`: so each has one
# while the allocation lasts. It ends when nothing more is asked for and no step runs.

held=$1
shift
batches=${held%/*}
node=$(uname -n)
if ! [ -r "$held/asked" ]; then
    echo "$held: not on $node: the state directory must be shared with the nodes"
    exit 126
fi
(umask 077 && set -C && echo "$SLURM_JOB_ID $node" >"$held/began") 2>/dev/null || exit 125

# A signal, as of a `scancel`, ends the steps, too: it is waited for their words. USR1 comes before the time is over.
closing= warned=
trap 'closing=1' TERM INT HUP
trap 'warned=1' USR1

run() { # BATCH TASK
    at=$batches/$1/$2
    if ! [ -r "$batches/$1/tasks.sh" ] || [ -e "$at.began" ]; then
        return # it was cancelled
    fi
    srun --exact --nodes=1 --ntasks=1 --mpi=none --quiet --chdir=/ --job-name="$1.$2" $options \
        /bin/sh "$held/job.sh" "$batches/$1" "$2" </dev/null >>"$at.out" 2>&1
    if [ $? -ne 125 ] && [ -d "$batches/$1" ] && ! [ -e "$at.over" ]; then
        (umask 077 && set -C && echo "$SLURM_JOB_ID $node" >"$at.began") 2>/dev/null
        (umask 077 && echo "ended silent" >"$at.over.tmp") && mv -f "$at.over.tmp" "$at.over"
    fi
    # With checks as jobs, one waits for ends; a step is no job that it could depend on, so it begins now.
    if { read -r waits <"$batches/waits"; } 2>/dev/null; then
        scontrol update JobId="$waits" Dependency= >/dev/null 2>&1
    fi
}

warn() { # as a `scancel` of each step: what a session shows is kept
    (umask 077 && : >"$held/ending")
    for each in $tasks; do
        at=$batches/$each step=
        { read -r step rest <"$at.began"; } 2>/dev/null
        case $step in *.*) [ -e "$at.over" ] || scancel --signal=TERM "$step" ;; esac
    done
}

options=$*
taken=0 running= tasks=
while :; do
    if [ -n "$warned" ] && [ "$warned" != told ]; then
        closing=1
        warn
        warned=told
    fi
    number=0
    [ -n "$closing" ] || while read -r batch count; do
        number=$((number + 1))
        [ "$number" -gt "$taken" ] || continue
        taken=$number
        if [ "$batch" = end ]; then
            closing=1
            break
        fi
        case $batch$count in *[!0-9a-f]*) continue ;; esac # a piece of a line
        case ${#batch}:$count in 12:*[!0-9]* | 12:) continue ;; 12:*) ;; *) continue ;; esac
        task=0
        while [ "$task" -lt "$count" ]; do
            run "$batch" "$task" &
            running="$running $!" tasks="$tasks $batch/$task"
            task=$((task + 1))
        done
    done <"$held/asked"
    [ -r "$held/asked" ] || closing=1
    if [ -n "$closing" ]; then
        left=
        for each in $running; do
            ! kill -0 "$each" 2>/dev/null || left="$left $each"
        done
        running=$left
        [ -n "$running" ] || exit 0
    fi
    sleep 1 &
    wait $!
done
