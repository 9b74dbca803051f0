#!/bin/sh
# Append standard input to FILE as it comes, and keep FILE below MAX bytes.
#
#     /bin/sh keep.sh FILE MAX        or, in a shell that has nothing else to do:   set -- FILE MAX; . /PATH/keep.sh
#
# When FILE has MAX bytes, its first and its last quarter stay, and a line between them counts what was left out: the
# end of FILE is always what was printed last. FILE is replaced then; nobody else may write to it.
# On a full disk, or when FILE cannot be written, it reads on, so that the program that prints is neither ended nor held
# up.
# It ends when nobody has the pipe open for writing.

file=$1 max=$2
export LC_ALL=C # bytes are counted; and to load the files of a language costs a tool more than what it does
quarter=$((max / 4)) omitted=0 note=0
umask 077
trap '' HUP INT QUIT TERM # what is printed after a hang-up is kept, too
exec 2>/dev/null

size() {
    wc -c <"$file" || echo 0
}

cut() { # SIZE: leave out the middle of a file of that size
    gone=$((omitted + $1 - 2 * quarter - note))
    line="
[wakeman: $gone bytes left out]
"
    if { head -c "$quarter" "$file" && printf %s "$line" && tail -c "$quarter" "$file"; } >"$file.cut" &&
        mv -f "$file.cut" "$file"; then
        omitted=$gone note=${#line}
    else
        rm -f "$file.cut"
        return 1
    fi
}

now=0
[ ! -s "$file" ] || now=$(size)
while :; do
    reads=$(((max - now) / 65536)) # each takes 64 KiB at most, whatever comes: so many fit
    if [ "$reads" -gt 0 ] && true >>"$file"; then
        before=$now
        said=$(exec dd bs=65536 count="$reads" 2>&1 >>"$file") && ended=1 || ended=
        # It says how many it has read: if fewer than it may, nobody has the pipe open any more.
        read=${said%% records in*}
        case $ended$read in
            *[!0-9+]*) ;;
            1[0-9]*+[0-9]*) [ $(($read)) -ge "$reads" ] || break ;;
        esac
        now=$(size)
        [ -z "$ended" ] || [ "$now" -gt "$before" ] || [ ! -e "$file" ] || break
    elif [ "$reads" -le 0 ] && cut "$now"; then
        now=$(size)
    else
        [ "$(dd bs=65536 count=16 | wc -c)" -gt 0 ] || break
    fi
done
