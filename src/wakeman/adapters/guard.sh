#!/bin/sh
# Allow or deny a write that Claude Code is about to make, or report one that it made.
#
#     /bin/sh guard.sh DIR before          at PreToolUse: allow, deny, or print nothing, which leaves it to the client
#     /bin/sh guard.sh DIR asked           at PermissionRequest: allow, otherwise the same as hook.sh
#     /bin/sh guard.sh DIR after WORKER    at PostToolUse: record in DIR/said/ who wrote what
#
# DIR is the attempt's directory. DIR/may has one rule per line, the first that matches counts: allow, pass or deny, a
# tab, and an absolute path without symlinks; a slash at its end includes everything below. If no rule matches, nothing
# is printed. A path that cannot be parsed with certainty, or is not in its simplest form, is denied.
# DIR/said/denied gets a line for each denial: the path, in JSON's spelling.

dir=$1 event=$2 worker=$3
said=$dir/said
umask 077

# The path of the call, in JSON's spelling; nothing unless it has exactly one. RS splits at each quotation mark: every
# second piece is inside a string, unless a backslash before the mark continues the string.
spelled() {
    LC_ALL=C awk '
BEGIN { RS = "\""; depth = 0; found = 0 }
!inside {
    for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        if (c == "{" || c == "[") { kind[++depth] = c; key[depth] = ""; value[depth] = (c == "[") }
        else if (c == "}" || c == "]") {
            if (depth == 2 && key[1] == "tool_input") { closed = 1; exit }
            depth--
        }
        else if (c == ":") value[depth] = 1
        else if (c == ",") value[depth] = (kind[depth] == "[")
    }
    inside = 1; text = ""
    next
}
{
    if (length(text) <= 8192) text = text $0
    match($0, /\\*$/)
    if (RLENGTH % 2) { if (length(text) <= 8192) text = text "\""; next }
    inside = 0
    if (!value[depth]) key[depth] = text
    else if (depth == 2 && kind[2] == "{" && key[1] == "tool_input" && (key[2] == "file_path" || key[2] == "notebook_path")) {
        path = text; found++
    }
}
END { if (closed && found == 1 && length(path) <= 8192 && path !~ /[\001-\037]/) printf "%s", path }'
    cat >/dev/null
}

# Decode JSON's spelling. It knows only the escapes of characters that a path may have.
plain() {
    printf '%s\n' "$1" | LC_ALL=C awk '
{
    out = ""
    while ((at = index($0, "\\")) > 0) {
        c = substr($0, at + 1, 1)
        if (c != "\"" && c != "\\" && c != "/") exit
        out = out substr($0, 1, at - 1) c
        $0 = substr($0, at + 2)
    }
    printf "%s", out $0
}'
}

# Set `place` to the resolved path: without symlinks as far as it exists, the rest unchanged.
resolve() {
    case $1/ in
    /*) ;;
    *) return 1 ;;
    esac
    case $1/ in
    *//* | */./* | */../*) return 1 ;;
    esac
    [ -h "$1" ] && return 1
    rest=${1##*/}
    at=${1%/*}
    while [ -n "$at" ] && [ ! -d "$at" ]; do
        if [ -e "$at" ] || [ -h "$at" ]; then return 1; fi
        rest=${at##*/}/$rest
        at=${at%/*}
    done
    # The dot keeps line feeds at the end of a name.
    at=$(cd -P -- "${at:-/}" 2>/dev/null && pwd -P && echo .) || return 1
    at=${at%?.}
    place=${at%/}/$rest
}

# Set `rule` to the first rule that matches.
judge() {
    rule=
    while IFS='	' read -r verb own; do
        case $own in
        */) case $place in "$own"*) rule=$verb && return ;; esac ;;
        *) [ "$place" = "$own" ] && rule=$verb && return ;;
        esac
    done <"$dir/may"
    return 0
}

decide() {
    printf '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"%s","permissionDecisionReason":"%s"}}\n' \
        "$1" "$2"
}

deny() {
    mkdir -p "$said" && printf '"%s"\n' "$spelling" >>"$said/denied"
    decide deny "$1"
}

# Set `place` to the path that the call writes.
where() {
    [ -n "$spelling" ] && path=$(plain "$spelling") && [ -n "$path" ] && resolve "$path"
}

case $event in
before)
    spelling=$(spelled)
    if where; then
        judge
        case $rule in
        allow) decide allow 'It belongs to your task.' ;;
        deny) deny 'That file does not belong to your task: another worker may be writing it. Write the files of your task alone.' ;;
        esac
    else
        deny 'Name the file by its absolute path, without symbolic links, dots or doubled slashes.'
    fi
    ;;
asked)
    mkdir -p "$said" && cat >"$said/asked.$$" || exit 0
    spelling=$(spelled <"$said/asked.$$")
    if where && judge && [ "$rule" = allow ]; then
        printf '{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow"}}}\n'
    else
        /bin/sh "${0%/*}/hook.sh" "$dir" PermissionRequest push <"$said/asked.$$"
    fi
    rm -f "$said/asked.$$"
    ;;
after)
    spelling=$(spelled)
    if [ -n "$spelling" ] && mkdir -p "$said"; then
        file=$said/wrote.$$
        while [ -e "$file" ]; do file=$file.; done
        printf '{"worker":"%s","wrote":["%s"]}\n' "$worker" "$spelling" >"$said/tmp.$$" && mv -f "$said/tmp.$$" "$file"
    fi
    ;;
esac
exit 0
