# Functions of check.sh for the queue of `at`, and a process that sleeps where that takes nothing; they need `clean`,
# `marker`, `command` and `directory` from above. Each program that is started delays every alarm, so words are taken
# apart by the shell itself.

line_feed='
'

queued() { # succeeds if a job of this deployment lies ahead, or a process sleeps for it
    jobs=$( (clean atq) 2>/dev/null | while read -r job entry; do
        case " $entry " in (*" = "*) ;; (*) printf '%s ' "$job" ;; esac # `=` is the queue of those that run
    done)
    # `at -c` prints the bodies of all jobs in one go, and passes over those that are gone.
    case $jobs in
        '' | *[!0-9\ ]*) ;;
        *) bodies=$( (clean at -c $jobs) 2>/dev/null)
            case "$line_feed$bodies$line_feed" in *"$line_feed# $marker$line_feed"*) return 0 ;; esac ;;
    esac
    (clean ps -A -o args=) 2>/dev/null | grep -q "[w]akeman-timer $marker "
}

again() { # queues a job in five minutes; prints what `at` says of it, or the id of a process that sleeps instead
    job=$(printf '# %s\n%s\n' "$marker" "$command" | (clean at -q a now + 5 minutes) 2>&1)
    case $job in
        *"signal atd"* | *"not running"*) removed "$job" ;;
        *"job "*" at "*) printf '%s\n' "$job" && return ;;
    esac
    printf '%s\n' "$job" >&2
    detach=$(command -v setsid || command -v nohup)
    (clean "$detach" /bin/sh -c 'sleep "$3" && shift 3 && exec "$@"' \
        wakeman-timer "$marker" "$(($(date +%s) + 300))" 300 /bin/sh "$directory/check.sh" at) </dev/null >/dev/null 2>&1 &
    printf 'sleeper %s\n' "$!"
}

removed() { # SAID: takes out of the queue the job that `again` said this of, if any
    case $1 in
        *"job "*" at "*)
            job=${1##*job }
            (clean atrm "${job%% at *}") 2>/dev/null || :
            ;;
    esac
    case $1 in
        *"sleeper "*)
            sleeper=${1##*sleeper }
            kill -- -"${sleeper%%[!0-9]*}" "${sleeper%%[!0-9]*}" 2>/dev/null || :
            ;;
    esac
}
