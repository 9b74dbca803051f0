# Run a session's program in a container on the node: job.sh has made the terminal, outside of it.
#
#     /bin/sh BATCH/contain.sh AT PROGRAM ARG...
#
# AT is BATCH/TASK. It needs these values, defined above:
#
#     by image      `apptainer` or `pyxis`, and the image
#     binds         what is mounted, as both want it: SOURCE:TARGET[:ro], with commas
#     sources       what of the node must be there for that, a path a line
#     home          1: the home directory is mounted, if there is one
#     options       further options, one a line
#
# The program begins behind a shell in the container, which first makes AT.inside. If that is not there at the end, the
# container could not be run: why is then the one line of AT.refused, and nothing of the program has run.
# What a container's own program prints goes to AT.said, so that the program's terminal has its own words alone.

at=$1
shift
node=$(uname -n)
nl='
'

refuse() { # WORDS
    echo "container: $*" | tr '\n' ' ' >"$at.refused"
    echo "container: $*"
    exit 127
}

case $image in
    *://*) ;;
    *)
        [ -e "$image" ] || refuse "image $image: not found on $node; put it where each node sees it"
        [ -r "$image" ] || refuse "image $image: cannot be read on $node; chmod a+r it"
        ;;
esac
IFS=$nl
set -f
for each in $sources; do
    [ -e "$each" ] || refuse "mount $each: not found on $node; change slurm.container_mounts"
    case $PWD/ in "${each%/}"/*) there=1 ;; esac
done
case $PWD in
    / | *[:,]*) ;;
    *) [ -n "$there" ] || binds=$binds,$PWD:$PWD ;;
esac
[ -d "$HOME" ] || home=
within='exec 2>&1; : >"$0" || exit; [ -z "$1" ] || export HOME="$1"; shift; WAKEMAN_CONTAINED=1 exec "$@"'
set -- /bin/sh -c "$within" "$at.inside" "${home:+$HOME}" "$@"
if [ "$by" = apptainer ]; then
    program=$(command -v apptainer || command -v singularity) ||
        refuse "neither apptainer nor singularity: not found on $node; load its module before up, or ask the administrator"
    if [ -n "$home" ]; then
        set -- --home "$HOME" $options "$image" "$@"
    else
        set -- --no-home $options "$image" "$@"
    fi
    "$program" exec --pwd "$PWD" --bind "$binds" "$@" 2>"$at.said"
    code=$?
else
    srun --help 2>/dev/null | grep -q -e --container-image || refuse "srun on $node has no pyxis; ask the administrator of the cluster for it"
    binds=$binds,/tmp:/tmp mounted=--no-container-mount-home
    [ -z "$home" ] || binds=$binds,$HOME:$HOME
    # Of the same job; the terminal is handed through. The step around it has the memory that these would ask for again.
    unset SLURM_MEM_PER_CPU SLURM_MEM_PER_NODE
    srun --jobid="$SLURM_JOB_ID" --overlap --quiet --ntasks=1 --nodes=1 --nodelist="$SLURMD_NODENAME" --mpi=none --pty \
        --job-name="${at##*/}.inside" --container-image="$image" --container-mounts="$binds" "$mounted" \
        --container-workdir="$PWD" $options "$@" 2>"$at.said"
    code=$?
fi
if ! [ -e "$at.inside" ]; then
    # Apptainer ends with what failed, enroot's words are in the log that pyxis prints, and pyxis begins with its own.
    said=$(grep -e FATAL -e '\[ERROR\]' "$at.said" | tail -n 1 | sed -e 's/^.*FATAL: *//' -e 's/^.*\[ERROR\] *//')
    [ -n "$said" ] || said=$(sed -n 's/^.*error: pyxis: \([^c]\)/\1/p' "$at.said" | head -n 1)
    [ -n "$said" ] || said=$(tail -n 1 "$at.said")
    case $said in
        *[uU]ser\ namespace*) said="$said; ask the administrator of the cluster to allow user namespaces" ;;
    esac
    refuse "image $image on $node: ${said:-it ended with status $code, without a word}"
fi
exit "$code"
