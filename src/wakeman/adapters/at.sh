# Functions of check.sh for the queue of `at`; they need `clean`, `marker` and `command` from above.

queued() { # succeeds if a job of this deployment lies ahead
    for job in $(clean atq | grep -v ' = ' | cut -f 1); do (clean at -c "$job"); done 2>/dev/null |
        grep -qxF "# $marker"
}

again() { # queues a job in five minutes; prints what `at` says of it
    printf '# %s\n%s\n' "$marker" "$command" | (clean at -q a now + 5 minutes)
}

removed() { # SAID: takes out of the queue the job that `again` said this of, if any
    [ -n "$1" ] || return 0
    job=$(printf '%s\n' "$1" | sed -n 's/^job \([0-9]*\) at .*/\1/p')
    [ -z "$job" ] || (clean atrm "$job") 2>/dev/null || :
}
