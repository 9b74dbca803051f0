#!/bin/sh
# claude_cli.sh, written by `wakeman compat`; `wakeman compat --remove` takes it away.
#
#     claude_cli.sh -t -a -s NAME -A AGENT PROMPT
#
# -t       in a detached tmux session, which survives this shell; without it in this terminal
# -a       approve all operations; required, as nobody is there to do it
# -s NAME  name of the session
# -A AGENT profile, from ~/.claude/agents.json, a page in .claude/agents, or a built-in one
exec PROGRAM session "$@"
