# Run one check for any caller and from any environment: an alarm, a timer, the end of a worker.
#
#     /bin/sh check.sh BY [GENERATION HEAD]
#
# It needs these values and functions of the deployment, defined above:
#
#     deployment directory state   its name, its own directory, the state directory
#     marker command               the marker in its alarms, and the command that they run
#     clean WORD...                executes a program in the recorded environment; call it in a subshell
#     wakeman WORD...              executes Wakeman in it, likewise
#     notices                      notifies the wake targets that a check failed to run; waits for none
#     queued again removed         of its timer: is an alarm pending; set one; cancel the one that was set
#
# If an alarm calls it, it first queues the next alarm, and cancels that after a completed check; an alarm of an old
# generation ends without starting Wakeman if another is queued. Output goes to check.log. If Wakeman cannot start or
# cannot check, the wake targets are notified once, and an alarm is set if none is pending. A worker's end on another
# host than the one named in the file `host`, if there is one, starts no check: the next alarm sees it, or a job that waits
# for ends, which says so by WAKEMAN_WOKEN.

by=${1:-hand} generation=${2:-} head=${3:-}
cd "$directory" || exit 1
current=
[ -z "$generation" ] || { read -r current <generation; } 2>/dev/null
if [ -n "$generation" ] && [ "$generation" -lt "${current:-0}" ] && queued 2>/dev/null; then
    exit 0 # a newer alarm lies ahead
fi
# A fired alarm has left the queue and is not run again. The next one is queued before anything can end this script: a
# kill, a power cut, a process that holds the lock and dies. It is removed when the check has set its own. One that is
# queued already does not count: it may be that of another script, which removes it when its own check has ended.
next=
[ "$by" != at ] || next=$(again 2>&1)
case $by in
    exit | hook) # where an executor has them run elsewhere, checks run on the host that `up` ran on
        if [ -z "${WAKEMAN_WOKEN:-}" ] && [ -e host ] && { read -r home <host; } 2>/dev/null && [ "$home" != "$(uname -n)" ]; then
            exit 0
        fi ;;
esac
case $by in
    exit | hook) # one check that has not begun to look stands for all who come meanwhile; it removes `coming` first
        if command -v flock >/dev/null && { true >>coming; } 2>/dev/null; then
            exec 9>>coming
            if ! flock -n 9; then
                [ -e standing ] || exit 0
                echo >>standing # one that stands by looks at once
                flock -n 9 || exit 0 # it has ended just now
            fi
        fi ;;
esac
set -- check "$deployment" --state "$state" --by "$by" --quiet
[ -z "$head" ] || set -- "$@" --head "$head"
said=$(exec 9>&-; wakeman "$@" </dev/null 2>&1)
code=$?
exec 9>&- # what is started below must not hold it on
log=check.log
{ true >>"$log"; } 2>/dev/null || log=/dev/null # a directory that cannot be written to does not silence what follows
failed=
case $code:$said in
    [0-6]:) removed "$next"; [ ! -e troubled ] || rm -f troubled; exit "$code" ;;
    3:wakeman:*) removed "$next"; exit "$code" ;; # it is no more
    5:wakeman:*"was adopted elsewhere since"*) removed "$next"; exit "$code" ;; # its alarms are there
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
    # A full disk or a damaged log: no check would set the next alarm. Report that once, in plain sh, and try again.
    if [ ! -e troubled ]; then
        (: >troubled) 2>/dev/null
        notices 2>>"$log"
    fi
    queued || again >>"$log" 2>&1
fi
exit $code
