"""A plan file's tables, their keys and defaults. Structs only; no decisions.

The string below a key says what it means; `wakeman.core.descriptions` reads it for the reference, the JSON Schema and
`wakeman init`. A check reads none of them.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Rung = Literal["capture", "nudge", "wait", "restart", "ask", "sweep"]
"""`capture` keeps the screen as evidence; `nudge` types into an interactive session what is still missing (skipped in
mode `print`, and while the client is at work); `wait` leaves one check out; `restart` ends the attempt and starts the
next one, or asks once `stuck.attempts` are used up; `ask` notifies the orchestrator, once for each problem; `sweep`
ends old sessions that the worker started."""
Format = Literal["yaml", "json", "toml", "none"]
WakeRow = Literal["ask", "clean up", "wrap up", "give up", "check"]
"""`ask`: a person or the orchestrator is needed; `clean up`: units went to a cleanup worker; `wrap up`: complete;
`give up`: ended as partial; `check`: every alarm."""
Pace = Literal["simple", "complex", "long"]
"""`simple`: 3m, later 5m; `complex`: 5m, later 10m; `long`: 10m, later 15m. Later is after two alarms without
progress, until there is some."""
Network = Literal["none", "loopback", "all"]
"""`none`: no internet sockets; `loopback`: an interface of the attempt's own, on which it meets its children alone;
`all`: what you reach."""
ContainedBy = Literal["", "apptainer", "pyxis"]
"""`apptainer`, or `singularity` by its older name; `pyxis`, the plugin of `srun`; empty: the first of them that is
found where `up` runs."""
SessionSource = Literal["start", "watch", "own"]
"""`start`: Wakeman starts them; `watch`: they are there, and Wakeman marks and watches them, but types into none and
ends none; `own`: they are there, and Wakeman may also nudge and end them."""
WorkspaceKind = Literal["in place", "staged", "worktree"]
"""Where workers make their outputs: at their final paths, in a stage per attempt, or in a git work tree per worker."""
Seconds = Annotated[
    float,
    Meta(ge=0, description="a number of seconds, or '90s', '5m', '2h', '1d'", extra={"unit": "seconds"}),
]
Bytes = Annotated[int, Meta(ge=0, description="a number of bytes, or '512K', '1G'", extra={"unit": "bytes"})]
StreamBytes = Annotated[
    int, Meta(ge=262144, description="a number of bytes, or '512K', '1G'; at least 256K", extra={"unit": "bytes"})
]
Count = Annotated[int, Meta(ge=1)]
PACES: dict[Pace, tuple[float, float]] = {
    "simple": (180.0, 300.0),
    "complex": (300.0, 600.0),
    "long": (600.0, 900.0),
}
"""Seconds between alarms: first, and after two checks without progress. Source: the playbook's guidance."""


class Spec(Struct, frozen=True):
    """Base of the plan file's tables. Defaults are encoded too: a log keeps the whole policy."""


DEFAULT_EXECUTOR = "tmux"
"""Where workers run when a plan does not say, and in logs that do not."""
Plain = str | bool | int | float
"""A value of a key that another package defines."""


class UnitsSpec(Spec, frozen=True):
    """Where units come from: exactly one of glob, items, file, command, matrix."""

    glob: str | tuple[str, ...] | None = None
    """Pattern, or list of patterns, relative to the plan file; each file that matches is one unit, and its input.
    Example: `"docs/*/*.md"`; `**` matches any number of directories. State directories are left out."""
    items: tuple[str | dict[str, str], ...] | None = None
    """Units by name, or as tables whose keys templates may use: `unit` (or `name`) names one, `input` is its file."""
    file: str | None = None
    """File that names one unit a line, or holds one JSON object a line; `-` reads stdin. Blank lines and those that
    begin with `#` are passed over; blanks around a name are part of it."""
    command: tuple[str, ...] | None = None
    """Program and arguments whose output names one unit a line, as a `file` does. No shell reads them."""
    matrix: dict[str, tuple[str, ...]] | None = None
    """Names with lists of values; each combination is one unit. Example: `{ os = ["linux", "mac"], py = ["3.11"] }`
    makes `linux-3.11` and `mac-3.11`."""
    exclude: tuple[str, ...] = ()
    """Patterns of files that `glob` leaves out. Example: `["docs/drafts/**"]`."""
    output: str | tuple[str, ...] = ()
    """File, or files, that a unit is to make; it is done when all of them exist and pass `[verify]`. At least one is
    required."""
    writes: tuple[str, ...] = ()
    """Further paths that a unit's worker may write, as files, directories or patterns. `wakeman plan` refuses two units
    that could write the same path. Example: `["src/{{ stem }}/**"]`."""
    limit: Count | None = None
    """Take only the first units, that many. Without it all are taken."""


class WorkersSpec(Spec, frozen=True):
    """How units are shared out, and how each share's agent is started."""

    by: str = "{{ unit }}"
    """Template that groups units: those for which it gives the same text go to one worker. By default each unit gets a
    worker of its own. Example: `"{{ parent }}"`, one worker for each directory."""
    max_units: Count | None = None
    """Maximum number of units of one worker; a larger group is split, and the further workers' names get `_2`, `_3`.
    Without it no group is split."""
    name: str = "{{ group.name }}"
    """Name of a worker and of its tmux session; characters that tmux cannot take are replaced. It must differ from
    that of every other open deployment on the same `socket`."""
    agent: str | None = None
    """Agent profile: its prompt, tools and model. It comes from `[agents.NAME]`, `~/.claude/agents.json` or the
    built-in ones; `wakeman agents` lists them."""
    harness: str = "command"
    """What runs an attempt: `command` (any program), `claude`, `codex`, `gemini`, `opencode`, `aider`, `external`
    (your own launcher starts the session), or the name of a plug-in."""
    mode: Literal["print", "interactive"] = "print"
    """`print`: the client does its task and ends; `interactive`: it keeps a session open, into which text can be
    typed and to which you can attach."""
    auto_approve: Literal[False, "edits", "all"] = False
    """What a client may do without asking: `false`: only read (some clients cannot, in mode `print`); `"edits"`:
    write its units' files; `"all"`: everything, which without `confine` needs `--yes`."""
    command: tuple[str, ...] = ()
    """With `harness = "command"` the program to run and its arguments; required there. No shell reads them. With
    `external` it is the launcher. Example: `["my-agent", "--units", "{{ units_file }}"]`."""
    args: tuple[str, ...] = ()
    """Further arguments for the client, after those of the harness. Example: `["--model", "opus"]`."""
    prompt: str = ""
    """What a worker is told. `{{ unit_table }}` is replaced by its units and their outputs, a line each."""
    prompt_file: str | None = None
    """File that holds the prompt, relative to the plan file, instead of `prompt`."""
    stagger: Seconds = 2.0
    """Time between two launches, so that clients do not all log in at once. 0 launches all together."""
    at_once: Count | None = None
    """Maximum number of workers that run at the same time; the rest are pending. Without it, and without `by`, as many
    run as the machine carries: 8 for each processor, as far as its memory goes; `plan` shows how many. Free memory
    limits them in any case (`limits.memory`)."""
    stream_max: StreamBytes = 67108864
    """Maximum size of the file that keeps what one attempt prints. Of more, the first and the last quarter are kept,
    and the bytes between them are counted there. At least 256K."""
    env: dict[str, str] = {}
    """Variables for the worker's program. They are in the plan and in the log: put secrets into `env_from`."""
    env_from: tuple[str, ...] = ()
    """Names of variables that are copied from the environment of `up` into a private file, and never into the log.
    One that is not set is an error. Example: `["ANTHROPIC_API_KEY"]`."""
    env_file: str | None = None
    """File with lines `NAME=VALUE`, relative to the plan file; treated as secret, like `env_from`."""
    redact: tuple[str, ...] | None = None
    """Names of the variables whose values are hidden in screens, messages and the log. Without it those of `env_from`
    and `env_file` are, from eight characters on."""
    before: tuple[tuple[str, ...], ...] = ()
    """Commands to run before each launch in the plan's directory, as lists of arguments; if one fails, the launch
    fails. Example: `[["mkdir", "-p", "out"]]`."""
    sessions: SessionSource = "start"
    """Where the workers' sessions come from. With `watch` or `own` nobody is launched: a worker is the session of its
    name, which somebody else has started. `wakeman watch-sessions` makes such plans."""
    executor: str = DEFAULT_EXECUTOR
    """Executor that runs the workers: `tmux`, on this machine; `slurm`, as jobs of a cluster (see `[slurm]`); `ssh`,
    on a few hosts of your own (see `[ssh]`); or the name of an entry point of `wakeman.executors` in another
    package, whose keys are in `[executor]`."""
    socket: str = "wakeman"
    """tmux server of the sessions: a name, as in `tmux -L NAME`, or an absolute path; `default` is your own server."""
    cwd: str = "."
    """Directory in which workers start, relative to the plan file; it must exist, unless `before` makes it."""
    confine: Literal["off", "units"] = "off"
    """`units`: the kernel blocks writes outside the directories of the worker's own units, for the worker and its
    children; `off`: it writes wherever you may."""
    confine_also: tuple[str, ...] = ()
    """Further directories that a confined worker may write to, such as caches. Example: `["/home/me/.npm"]`."""
    confine_network: Network = "all"
    """What of the network a confined worker has. Clients of a model need `all`."""
    stage: bool = False
    """Have outputs made in a private directory of the attempt and moved into place in one step, once they pass."""
    isolate: Literal["none", "worktree"] = "none"
    """`worktree`: each worker gets its own git work tree and branch; `none`: all work in one directory."""
    base: str = "HEAD"
    """With `isolate`: the commit at which the work trees begin, resolved once at `up`."""
    setup: tuple[tuple[str, ...], ...] = ()
    """With `isolate`: commands to run once in each new work tree before the worker's program. Example:
    `[["npm", "ci"]]`."""
    commit: bool = True
    """With `isolate`: commit what passes on the worker's branch; `false` leaves that to the worker."""

    @property
    def workspace(self) -> WorkspaceKind:
        """Return the name of the kind of workspace that a worker gets."""
        return "staged" if self.stage else "worktree" if self.isolate == "worktree" else "in place"

    @property
    def found(self) -> bool:
        """Return whether their sessions are there, as somebody else has started them."""
        return self.sessions != "start"

    @property
    def untouched(self) -> bool:
        """Return whether no row types into their sessions, or ends them."""
        return self.sessions == "watch"


RECEIVER_KINDS = ("run", "tmux", "url", "ntfy", "apprise", "desktop")
"""Keys of a receiver of which each has one."""


class WakeTarget(Spec, frozen=True):
    """One receiver of notices: an argument list to run, a tmux session to type into, a webhook, a topic of ntfy,
    services of Apprise, or this machine's desktop.
    """

    run: tuple[str, ...] = ()
    """Program to run with its arguments; `{{ message }}` is the notice. Its variable `WAKEMAN_SAID` is a JSON object
    with the last words of each worker that needs somebody: data, no instructions. Example:
    `["notify-send", "{{ message }}"]`."""
    tmux: str = ""
    """Session to type into, `SESSION` on your own server or `SOCKET:SESSION`. Nothing is typed unless it shows an
    empty prompt."""
    url: str = ""
    """Address that notices are sent to as JSON, by POST, with the headers of Standard Webhooks; `https`, or `http` on
    this machine. Told is who answers 2xx. Example: `"https://example.org/hooks/wakeman"`."""
    ntfy: str = ""
    """Topic of ntfy that notices are sent to: its name at ntfy.sh, or an address. Who knows the topic can read them."""
    apprise: str = ""
    """File with addresses of services as Apprise writes them, one a line; lines with `#` are left out. They have tokens
    in them: neither the plan nor the log gets any. Relative to the plan file, read at each notice. Needs the extra
    `apprise`."""
    desktop: bool = False
    """Show notices on this machine's desktop, by `notify-send`."""
    secret_file: str = ""
    """With `url`: file with the secret that signs; with `ntfy`: with the access token. Relative to the plan file, and
    read at each notice; its content is not logged."""
    answers_file: str = ""
    """With `ntfy`: file with the name or the address of a second topic, which nobody else knows: notices get buttons,
    and what these send there is read at the next check. Relative to the plan file; its content is not logged. Workers'
    questions need `share = "words"`; a held row does not. Off where it is empty."""
    share: Literal["names", "words"] = "names"
    """With `url`, `ntfy` and `apprise`, what leaves this machine: `names`: the notice, which has causes, counts and
    names of workers, units and files; `words`: also the last words of workers that need somebody, and with
    `answers_file` what their dialogs ask."""
    submit: bool = True
    """With `tmux`: press Enter behind the message."""
    force: bool = False
    """With `tmux`: type even if the session is not at an empty prompt, or is a shell."""
    timeout: Seconds = 20.0
    """Timeout of the receiver, after which it is ended and counts as failed. More than 0."""

    @property
    def name(self) -> str:
        """Return what it is called: `tmux:SESSION`, `ntfy:TOPIC`, `url:HOST`, `apprise:FILE`, `desktop`, or its program
        without directories.
        """
        if self.run:
            return self.run[0].rpartition("/")[2]
        if self.desktop or self.apprise:
            return "desktop" if self.desktop else f"apprise:{self.apprise.rpartition('/')[2]}"
        if self.url:
            return f"url:{self.url.partition('://')[2].partition('/')[0].rpartition('@')[2]}"
        return f"ntfy:{self.ntfy.rpartition('/')[2]}" if self.ntfy else f"tmux:{self.tmux}"

    @property
    def session(self) -> str:
        """Return the session that it is typed into; "" for none."""
        return self.tmux

    @property
    def key(self) -> str:
        """Return the key that says where it is."""
        return next((kind for kind in RECEIVER_KINDS if getattr(self, kind)), "tmux")

    @property
    def address(self) -> str:
        """Return the address on the network that it is told at; "" for one on this machine, or Apprise's services."""
        return self.url or self.ntfy

    @property
    def leaves_machine(self) -> bool:
        """Return whether notices to it leave this machine."""
        return bool(self.address or self.apprise)

    @property
    def door(self) -> str:
        """Return the command by which a person opens its session; "" where it has none."""
        from shlex import quote

        return f"wakeman attach {quote(self.name)}" if self.tmux else ""


class WakeSpec(Spec, frozen=True):
    """When the alarm fires, and of what the orchestrator is notified."""

    every: Seconds | Pace = 300.0
    """Time between two alarms, or a pace; more than 0. A worker's end always starts a check at once. `at` counts in
    minutes: below 60 seconds a process that sleeps fires in addition."""
    on: tuple[WakeRow, ...] = ("ask", "wrap up", "give up")
    """Of what the receivers in `to` are notified."""
    remind: Seconds = 1800.0
    """Time after which an `ask` without an answer is sent again."""
    to: tuple[WakeTarget, ...] = ()
    """Receivers of notices. Without any, no notice is sent; everything is in the log."""
    tell: Literal["all", "first"] = "all"
    """Whom of `to` a notice goes to: `all`: each of them; `first`: the first that takes it, in the order of the list;
    those behind it are told what no one before them took. Either way it is told again, ever more rarely, for a day,
    until it arrives."""
    host: str = ""
    """Host on which alarms and checks run, as ssh knows it: `HOST`, or `HOST:DIR` with the plan file's directory there.
    `wakeman up` is then run on it, by ssh, and this machine may be off. Empty: this machine. Example: `"alpha"`."""
    hold: bool = False
    """Propose `wrap up`, `give up` and `clean up` instead of taking them; each waits for `wakeman accept`."""

    @property
    def answerable(self) -> bool:
        """Return whether answers may come from elsewhere."""
        return any(target.answers_file for target in self.to)


class StuckSpec(Spec, frozen=True):
    """When a worker counts as stuck, and the ladder for each reason: one rung per check, a `capture` together
    with the `nudge` or `ask` that follows it.

    After the last rung nothing more is tried until `limits.give_up`. A sign of life ends the trouble, but not the
    ladder: `nudge` and `restart` are taken again only once a unit was done since.
    """

    after: Seconds = 600.0
    """Time without a sign of life after which a worker counts as silent. Only a check notices it, so set it to two
    intervals of `wake.every` or more."""
    longest: Seconds = 0.0
    """Time limit for one attempt, after which it is ended and counts as failed: another follows while `attempts` are
    left, then a cleanup worker. Time at a usage limit is not counted. 0 sets none. Only a check notices it. Example:
    `"2h"`."""
    attempts: Count = 2
    """Maximum number of attempts of a worker, the first included. Attempts that end through no fault of the worker (a
    restart of the machine, a person, a usage limit that is waited for) do not count."""
    backoff: Seconds = 10.0
    """Delay after an attempt that failed, plus or minus half of it; it doubles with each further failure, up to five
    minutes."""
    waiting: tuple[Rung, ...] = ("capture", "ask")
    """Ladder for a worker that asks for something: a permission, an answer."""
    limited: tuple[Rung, ...] = ("wait",)
    """Ladder for a worker at a usage limit. An interactive one is told to continue once the limit resets."""
    error: tuple[Rung, ...] = ("capture", "restart", "ask")
    """Ladder for a worker whose client shows an error from which it does not recover."""
    silent: tuple[Rung, ...] = ("capture", "nudge", "ask")
    """Ladder for a worker without a sign of life for `after`, and for one that has ended its turn with units undone.
    Add `restart` only if a healthy worker may be ended."""
    background: Seconds = 3600.0
    """Time for which work in the background (a task, a shell, a sub-agent) counts as life without any other sign of
    life; after that a person is asked. Until then such a worker is neither silent nor finished."""


class ReviewSpec(Spec, frozen=True):
    """How an agent reviews outputs before the wrap-up: which, how often, and how the reviewer is started."""

    of: Literal["sample", "all"] = "sample"
    """`sample`: the `verify.sample` units; `all`: every unit."""
    rounds: Count = 3
    """Maximum number of reviews of one unit; what the last one rejects stays undone."""
    max_units: Annotated[int, Meta(ge=1, le=100)] = 20
    """Maximum number of units of one reviewer; the rest go to further reviewers."""
    harness: str | None = None
    """Harness of a reviewer, as for workers. By default `command` if `command` is given, else the workers' harness."""
    auto_approve: Literal[False, "edits", "all"] = "edits"
    """What a reviewer may do without asking: `false`: only read; `"edits"`: write its verdict; `"all"`:
    everything."""
    command: tuple[str, ...] = ()
    """Program that reviews, instead of a client: it reads `{{ units_file }}` and writes `{{ verdict_file }}`."""
    args: tuple[str, ...] | None = None
    """Further arguments for the reviewer's client. By default the workers' arguments, if the harness is the same."""
    prompt: str = ""
    """Prompt of the reviewer, instead of the built-in one."""


class ParseLimitSpec(Spec, frozen=True):
    """What parsing one output may take, in a process of its own; beyond that the output is too large or too slow."""

    time: Seconds = 10.0
    """Processor time. More than 0. On the clock it may take five times that, on a machine that is busy."""
    memory: Bytes = 536870912
    """Memory of the process, beside what it has before it reads anything. More than 0."""
    size: Bytes = 67108864
    """Size of the file. More than 0."""


class VerifySpec(Spec, frozen=True):
    """When an output passes, and who reviews it in addition."""

    fresh: Literal["changed", "newer", "exists"] = "changed"
    """Which files pass: `changed`: only those that changed since the launch; `newer`: those not older than their
    input; `exists`: whatever exists."""
    min_bytes: Bytes = 1
    """Minimum size of each output. 0 lets empty files pass."""
    max_ratio: Annotated[float, Meta(gt=0)] | None = None
    """Maximum size of all outputs of a unit together, as a fraction of its input's size; for units with an input.
    Example: `0.6`."""
    parse: Format = "none"
    """Format that each output must be valid in: `json`, `toml`, `yaml`, or `none`."""
    parse_limit: ParseLimitSpec = ParseLimitSpec()
    """What parsing one output may take. Example: `{ time = "30s", memory = "1G", size = "200M" }`."""
    command: tuple[str, ...] = ()
    """Program and arguments, run once for each unit whose files pass the other checks; with exit status 0 the unit
    passes, otherwise the last line of its output is the reason. Example: `["./check.sh", "{{ input }}", "{{ output
    }}"]`."""
    timeout: Seconds = 120.0
    """Timeout of `command` for one unit, after which the unit fails. More than 0."""
    sample: Annotated[int, Meta(ge=0)] = 0
    """Number of units that are picked, by a recorded seed, for a person to inspect at the wrap-up. 0 picks none."""
    agent: str | None = None
    """Agent profile that reviews the outputs before the wrap-up; see `[verify.review]`. Without it, and without
    `verify.review.command`, there is no review."""
    review: ReviewSpec = ReviewSpec()
    """How the outputs are reviewed, by `agent` or by a `command`."""


class SweepSpec(Spec, frozen=True):
    """Sessions that workers start on their own, such as validators, and when they are ended."""

    sessions: str
    """Pattern of session names. Example: `"val_*"`. Only sessions that carry an attempt id of this deployment are
    ended."""
    older_than: Seconds = 600.0
    """Age at which such a session is ended while its worker is alive."""


class MoveSpec(Spec, frozen=True):
    """A file that is moved when its worker is verified."""

    from_: str = field(name="from")
    """File to move, relative to the plan file. One that does not exist is skipped."""
    to: str
    """Target; with a `/` at the end, a directory in which it keeps its name."""


class CleanupSpec(Spec, frozen=True):
    """What happens with undone units, and with sessions and files that remain."""

    rounds: Annotated[int, Meta(ge=0)] = 2
    """Maximum number of times that an undone unit goes to a cleanup worker; 0 means never."""
    after: Seconds = 120.0
    """Time after a person has ended a worker in which no cleanup worker starts on its undone units."""
    when: Literal["each", "all"] = "each"
    """`each`: as soon as a worker has ended with units undone; `all`: only when all workers have ended."""
    sweep: tuple[SweepSpec, ...] = ()
    """Side sessions to end; the first pattern that matches counts."""
    move: tuple[MoveSpec, ...] = ()
    """Files to move when their worker is verified."""


class LimitsSpec(Spec, frozen=True):
    """Bounds on the whole deployment."""

    give_up: Seconds = 21600.0
    """Time after which the deployment ends as partial. Not counted: while the machine sleeps or is off, while paused,
    while every worker waits for a usage limit."""
    give_up_do: Literal["leave", "stop"] = "leave"
    """If workers are still alive then: `leave` lets them run unsupervised, `stop` ends them first. Those that wait in a
    queue are taken out of it either way."""
    memory: Bytes = 0
    """Free memory required for each launch; with less, a worker stays pending. 0 uses the known requirement of its
    client."""
    max_cost: Annotated[float, Meta(gt=0)] | None = None
    """US dollars, as far as clients report them; once reached, no worker is launched."""
    max_tokens: Count | None = None
    """Tokens, input and output together, as far as clients report them; once reached, no worker is launched."""
    over: Literal["leave", "stop"] = "leave"
    """Beyond `max_cost` or `max_tokens`: `leave` lets running workers continue, `stop` ends them. Those that wait in a
    queue are taken out of it either way."""
    wait: bool = True
    """After a worker has met a usage limit, launch none until it resets, and do not count the attempt; `false` treats
    it like any other failure."""
    adapt: bool = False
    """Launch four workers at first and one more for each that the service has answered. After it has refused one, for
    its load or a usage limit, half as many may be at work, and one more each minute. `workers.at_once` remains the
    maximum."""


class WatchSpec(Spec, frozen=True):
    """How `wakeman watch` treats files that are written out of place."""

    conflicts: Literal["ignore", "warn", "stop"] = "warn"
    """`ignore`: not recorded; `warn`: recorded and reported; `stop`: the worker that wrote it is also ended."""
    roots: tuple[str, ...] = ()
    """Directories that are watched in addition to those of outputs; a write there to a path of no unit is out of
    place."""
    ignore: tuple[str, ...] = ()
    """Patterns of files that are never out of place, relative to the plan file; `*` matches `/` too. Example:
    `["*.log"]`."""


class SlurmSpec(Spec, frozen=True):
    """What each worker's job asks of the cluster, with `workers.executor = "slurm"`."""

    partition: str = ""
    """Partition that jobs are submitted to. Without it the site's default."""
    account: str = ""
    """Account that jobs are charged to. Without it the user's default."""
    qos: str = ""
    """Quality of service. Without it the site's default."""
    cpus: Count = 1
    """Processors of one worker."""
    memory: Bytes = 0
    """Memory of one worker; a job that takes more is ended. 0 leaves it to the site."""
    time: Seconds = 0.0
    """Time limit of a job, in whole minutes, after which it is ended and counts as a failed attempt. 0 leaves it to the
    partition. Example: `"8h"`."""
    reserve: Annotated[int, Meta(ge=0)] = 0
    """Number of workers for which one allocation is held until the wrap-up: they start at once, as steps in it, where
    the queue is slow. Further workers, and all once it has ended, wait in the queue. What is held is charged for while
    nobody runs in it, too. 0 holds nothing."""
    reserve_time: Seconds = 0.0
    """Time limit of what `reserve` holds, in whole minutes. Workers that it ends have not failed. 0 leaves it to the
    partition. Example: `"10h"`."""
    licenses: dict[str, Count] = {}
    """Licences that each worker holds while it runs, as the site counts them, such as calls to a service at once.
    Example: `{ anthropic = 1 }`."""
    options: tuple[str, ...] = ()
    """Further options of `sbatch`, one each, with their values behind `=`. Example: `["--constraint=bigmem"]`."""
    container: str = ""
    """Image of a container in which each worker's program runs on its node, as an absolute path there, or as an address
    with `://`. The plan's directory, the deployment's own and `/tmp` are mounted in it, at the same paths. The image
    needs `/bin/sh` and the usual small programs. Example: `"/shared/agents.sif"`."""
    container_by: ContainedBy = ""
    """What runs the container."""
    container_mounts: tuple[str, ...] = ()
    """Further directories or files of the node that are mounted: `"/PATH"`, `"/PATH:/INSIDE"`, `"/PATH:/INSIDE:ro"`."""
    container_home: bool = True
    """Whether your home directory is mounted, too, where clients have their credentials. `false`: nothing of it can be
    read, so give keys by `workers.env_file`."""
    container_options: tuple[str, ...] = ()
    """Further options of `apptainer exec`, or of `srun` with pyxis, one each, their values behind `=`. Example:
    `["--nv"]`."""
    alarm: Literal["at", "job"] = "at"
    """What the alarm is: `at`: a job of `at` where you submit, or a process that sleeps there; `job`: a small job of
    the cluster, which runs the check on a node, as does another once a worker's job is over. So nothing need stay where
    you submit. `up` tries whether the log's lock holds between there and a node, and refuses if it does not."""
    alarm_options: tuple[str, ...] = ()
    """Options of `sbatch` for these jobs alone, such as those of a small partition that always has room. Example:
    `["--partition=short", "--qos=short"]`."""


class SshSpec(Spec, frozen=True):
    """Where workers run with `workers.executor = "ssh"`."""

    hosts: dict[str, Count] = {}
    """Hosts by the names that ssh knows, and how many workers each may run at a time. Ports, users and keys belong in
    ssh's own configuration. Example: `{ alpha = 4, beta = 8 }`."""
    config: str = ""
    """Configuration file of ssh, an absolute path. Without it your own, `~/.ssh/config`."""
    files: Literal["shared", "copied"] = "shared"
    """Where the files of workers are: `shared`: on a file system that the hosts share with this machine, as by NFS;
    `copied`: on each host's own disk, at the same paths, sent and brought back by rsync, which needs
    `workers.stage`."""
    send: tuple[str, ...] = ()
    """Files and directories that each host gets, at the same paths, before workers begin there, with `files` "copied".
    What lies there is replaced, and nothing is removed. Relative to the plan file's directory; without any, that
    directory must be on each host. Example: `["src", "data/units.csv"]`, or `["."]` for all of it."""


class Agent(Spec, frozen=True):
    """A profile: an agent's prompt, tools and model."""

    description: str
    """What the agent is for, in one sentence."""
    prompt: str
    """Its prompt, placed before each task."""
    tools: tuple[str, ...] | None = None
    """Tools that it may use, by the client's names. By default those of the client. Example:
    `["Read", "Write"]`."""
    model: str | None = None
    """Model that it runs on, by the client's name for it. By default that of the client."""


class Plan(Spec, frozen=True):
    """The whole file. The event `planned` records it with its defaults filled in."""

    name: str
    """Name of the deployment: 1 to 64 of `a-z`, `0-9`, `_` and `-`. A second run of it is `NAME.2`."""
    units: UnitsSpec
    """The pieces of work."""
    goal: str = ""
    """Purpose of the whole task, in one sentence; part of the reviewers' prompt."""
    workers: WorkersSpec = WorkersSpec()
    """Who does them."""
    wake: WakeSpec = WakeSpec()
    """Alarms and notices."""
    stuck: StuckSpec = StuckSpec()
    """What is done with workers in trouble."""
    verify: VerifySpec = VerifySpec()
    """When an output is good."""
    cleanup: CleanupSpec = CleanupSpec()
    """Undone units, and what remains of a deployment."""
    limits: LimitsSpec = LimitsSpec()
    """When to stop."""
    watch: WatchSpec = WatchSpec()
    """Files out of place."""
    slurm: SlurmSpec = SlurmSpec()
    """What a worker's job asks of a Slurm cluster."""
    ssh: SshSpec = SshSpec()
    """The hosts on which workers run by ssh."""
    executor: dict[str, Plain | tuple[Plain, ...] | dict[str, Plain]] = {}
    """Keys of an executor of another package, which `workers.executor` names; that package says which there are.
    Example: `{ image = "agents:1" }`."""
    agents: dict[str, Agent] = {}
    """Agent profiles of the plan, by name; they take precedence over those of the machine."""


EXECUTOR_TABLES: dict[str, type[Spec]] = {"slurm": SlurmSpec, "ssh": SshSpec}
"""Built-in executors that have a table of their own in a plan, by name, which is the table's, too."""
