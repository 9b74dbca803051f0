# Functions of check.sh for the queue of `at`, and a process that sleeps where that takes nothing; they need `clean`,
# `marker`, `command` and `directory` from above.

queued() { # succeeds if a job of this deployment lies ahead, or a process sleeps for it
    for job in $(clean atq 2>/dev/null | grep -v ' = ' | cut -f 1); do (clean at -c "$job"); done 2>/dev/null |
        grep -qxF "# $marker" || (clean ps -A -o args=) 2>/dev/null | grep -q "[w]akeman-timer $marker "
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
    job=$(printf '%s\n' "$1" | sed -n 's/^job \([0-9]*\) at .*/\1/p')
    [ -z "$job" ] || (clean atrm "$job") 2>/dev/null || :
    sleeper=$(printf '%s\n' "$1" | sed -n 's/^sleeper //p')
    [ -z "$sleeper" ] || kill -- -"$sleeper" "$sleeper" 2>/dev/null || :
}
