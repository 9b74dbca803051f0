# One check from outside, whoever calls it and with whatever environment: an alarm, a timer, the end of a worker.
#
#     /bin/sh check.sh BY [GENERATION HEAD]
#
# What it needs stands above, as the deployment has it:
#
#     deployment directory state   its name, its own directory, the state directory
#     marker command               what its alarms carry, and what they run
#     clean WORD...                becomes a program in the recorded environment; to be called in a subshell
#     wakeman WORD...              becomes Wakeman in it, likewise
#     notices                      tells the wake targets that a check could not be made; waits for none
#     queued again removed         its timer's: an alarm lies ahead; set one; take back the one that was set
#
# It queues the next alarm before all else when it is one, and takes it back after a check that came to its end; one of
# an old generation ends without starting Wakeman if another is queued. Output goes to check.log. When Wakeman cannot
# start or cannot check, the wake targets hear of it once, and where no alarm lies ahead one is set.

by=${1:-hand} generation=${2:-} head=${3:-}
cd "$directory" || exit 1
if [ -n "$generation" ] && [ "$generation" -lt "$(cat generation 2>/dev/null || echo 0)" ] && queued 2>/dev/null; then
    exit 0 # a newer alarm lies ahead
fi
# An alarm that has fired is out of the queue, and is not run twice. The next one stands before anything can end this: a
# kill, a power cut, a process that holds the lock and dies. It goes when the check has set its own.
next=
if [ "$by" = at ] && ! queued 2>/dev/null; then
    next=$(again 2>&1)
fi
case $by in
    exit | hook) # one check that has not begun to look stands for all who come meanwhile; it removes `coming` first
        if command -v flock >/dev/null && (: >>coming) 2>/dev/null; then
            exec 9>>coming
            flock -n 9 || exit 0
        fi ;;
esac
set -- check "$deployment" --state "$state" --by "$by" --quiet
[ -z "$head" ] || set -- "$@" --head "$head"
said=$(exec 9>&-; wakeman "$@" </dev/null 2>&1)
code=$?
exec 9>&- # what is started below must not hold it on
log=check.log
(: >>"$log") 2>/dev/null || log=/dev/null # a directory that cannot be written to does not silence what follows
failed=
case $code:$said in
    [0-6]:) removed "$next"; rm -f troubled && exit "$code" ;;
    3:wakeman:*) removed "$next"; exit "$code" ;; # it is no more
    1:wakeman:*"will look again"*) # somebody else checks right now; should that one die of it, an alarm is needed
        [ "$by" != at ] || queued || again >>"$log" 2>&1
        exit "$code"
        ;;
    [0-6]:wakeman:*) [ "$by" != at ] || failed=1 ;; # of the others, an alarm lies behind them
    *) failed=1 ;; # Wakeman itself did not start
esac
[ -n "$said$failed" ] || exit "$code"
[ -z "$said" ] || printf '%s\n' "$said" >>"$log"
if [ -n "$failed" ]; then
    # A disk that is full, a log that is damaged: nobody would set the next alarm. Say so, once, in plain sh, and try
    # again.
    if [ ! -e troubled ]; then
        (: >troubled) 2>/dev/null
        notices 2>>"$log"
    fi
    queued || again >>"$log" 2>&1
fi
exit $code
