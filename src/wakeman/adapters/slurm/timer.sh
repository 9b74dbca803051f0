# Functions of check.sh for alarms that are jobs of Slurm; they need `clean`, `marker`, `command` and `directory` from above,
# and slurm_sbatch, slurm_squeue, slurm_scancel and alarm_name, which the deployment's own values define.

listed() { # lines `JOB|COMMENT` of the alarms that are queued; fails if Slurm does not answer
    (slurm_squeue -O 'JobID:20|,Comment:1024') 2>/dev/null
}

ahead() { # [JOB]: succeeds if an alarm of this deployment is queued, other than that job; 2 if Slurm does not answer
    queue=$(listed) || return 2
    printf '%s\n' "$queue" | while IFS='|' read -r job comment; do
        case $comment in
            "$marker "*) [ "${job%% *}" = "${1:-}" ] || echo "$job" ;;
        esac
    done | grep -q .
}

queued() { # succeeds if an alarm of this deployment is queued
    ahead
}

again() { # submits a job for in five minutes, and says its number; or what Slurm says
    words=${command#exec }
    words=${words%% </dev/null*}
    job=$( (slurm_sbatch --begin=now+300 --job-name="$alarm_name" --comment="$marker $words" --wrap="$words || :") 2>&1)
    number=$(printf '%s\n' "$job" | tail -n 1) # behind warnings
    number=${number%%;*}
    case $number in
        '' | *[!0-9]*) printf '%s\n' "$job" ;;
        *) printf 'alarm job %s\n' "$number" ;;
    esac
}

wanted() { # succeeds while the deployment is to have an alarm: one that is paused or closed has generation 0
    { read -r latest <"$directory/generation"; } 2>/dev/null && [ "$latest" -gt 0 ]
}

removed() { # SAID: cancels the job that `again` said this of, unless no other alarm is queued
    case $1 in
        *"alarm job "*) set -- "${1##*alarm job }" ;;
        *) set -- "" ;;
    esac
    # What sleeps ends with the job that it was started in, so as long as a job of Slurm is no alarm, this one stays.
    while [ -n "${SLURM_JOB_ID:-}" ] && wanted && ! ahead "$1"; do
        [ -z "$1" ] || return 0
        case $(again) in "alarm job "*) return 0 ;; esac
        sleep 15
    done
    [ -z "$1" ] || (slurm_scancel "$1") 2>/dev/null || :
}
