"""Programs that agents and their clients use, at work under a confinement: what it refuses they can do without."""

from __future__ import annotations

import shutil

import pytest
from tests.real.test_confine import ENV, PYTHON, Arena, arena, pytestmark

__all__ = ["arena", "pytestmark"]

WORK = {
    "sh": """
set -e; cd $IN
seq 1 1000 | sort -rn | head -1 | grep -qx 1000
(sleep 0.1 & wait); timeout 5 nice true; ulimit -n >/dev/null; ulimit -c 0
exec 5>own.lock; flock -n 5; taskset 1 true; ionice -c 3 true; env -i /bin/true
mkfifo p; (echo x >p &); [ "$(cat p)" = x ]; tar cf t.tar p; cp -a --reflink=auto t.tar u.tar; touch -d yesterday u.tar
""",
    "git": """
set -e; cd $IN; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q r; cd r; echo x >f; git add f; git commit -qm one; git branch other; git worktree add -q ../tree other
git -c protocol.file.allow=always clone -q . ../copy; git gc -q; git status --short; git log --oneline >/dev/null
git fsck --no-progress
""",
    "python": r"""
set -e; cd $IN; cat >work.py <<'END'
import asyncio, concurrent.futures, ctypes, fcntl, http.server, json, mmap, os, pty, resource, select, signal, socket
import sqlite3, subprocess, sys, tempfile, threading, time, urllib.request
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(len, ["x"] * 100)) == 100
assert subprocess.run(["true"]).returncode == 0 and subprocess.check_output(["echo", "x"]) == b"x\n"
pid = os.fork()
if pid == 0:
    os._exit(7)
poll = select.poll(); poll.register(os.pidfd_open(pid)); assert poll.poll(5000)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
os.kill(os.getpid(), 0); child = subprocess.Popen(["sleep", "60"]); child.send_signal(signal.SIGTERM); child.wait()
resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
resource.prlimit(0, resource.RLIMIT_CORE); os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1)
memory = os.memfd_create("x"); os.write(memory, b"x" * 4096); assert mmap.mmap(memory, 4096)[:1] == b"x"
assert open(f"/proc/self/fd/{memory}", "rb").read(1) == b"x"
epoll = select.epoll(); r, w = os.pipe(); epoll.register(r); os.write(w, b"x"); assert epoll.poll(5)
c = ctypes.CDLL(None); watch = c.inotify_init1(0); assert c.inotify_add_watch(watch, b".", 0x100) > 0
open("seen", "w").close(); assert os.read(watch, 4096)
with open("lock", "w") as f: fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX)
base = sqlite3.connect("base"); base.execute("create table t (x)"); base.execute("insert into t values (1)")
base.commit(); base.execute("pragma journal_mode = delete"); base.close()
async def run():
    made = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    assert (await made.communicate(b"x"))[0] == b"x"
asyncio.run(run())
one, two = socket.socketpair(); one.send(b"x"); assert two.recv(1) == b"x"
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
server.RequestHandlerClass.log_message = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
assert urllib.request.urlopen(f"http://localhost:{server.server_port}/lock").read() == b""
assert os.isatty(pty.openpty()[0]) and os.getloadavg() and os.getrandom(4)
signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(0.05)
with tempfile.NamedTemporaryFile(dir=".") as f:
    os.posix_fallocate(f.fileno(), 0, 4096); os.sendfile(w, f.fileno(), 0, 1)
END
$PY work.py
""",
    "node": r"""
set -e; cd $IN; cat >work.js <<'END'
const fs = require('fs'), os = require('os'), http = require('http'), cp = require('child_process')
const {Worker, isMainThread, parentPort} = require('worker_threads')
if (!isMainThread) { parentPort.postMessage(1); return }
const done = text => { if (!(text)) process.exit(3) }
;(async () => {
  await Promise.all([...Array(50)].map((_, n) => fs.promises.writeFile('f' + n, 'x')))
  done((await fs.promises.readFile('f1', 'utf8')) === 'x')
  done(cp.execFileSync('echo', ['x']).toString() === 'x\n')
  await new Promise(go => cp.fork ? cp.exec('cat f1 | wc -c', (e, out) => { done(out.trim() === '1'); go() }) : go())
  await new Promise(go => new Worker(__filename).once('message', go))
  const changed = new Promise(go => { const w = fs.watch('.', () => { w.close(); go() }) })
  fs.writeFileSync('g', 'x'); await changed
  done(Object.keys(os.networkInterfaces()).length >= 0); os.cpus(); os.userInfo
  const server = http.createServer((q, a) => a.end('x')).listen(0, '127.0.0.1')
  await new Promise(go => server.once('listening', go))
  const said = await new Promise(go => http.get('http://127.0.0.1:' + server.address().port, a => a.on('data', go)))
  done(said.toString() === 'x'); server.close()
})().catch(e => { console.error(e); process.exit(4) })
END
node work.js
""",
    "cargo": """
set -e; cd $IN; export CARGO_HOME=$IN/cargo CARGO_NET_OFFLINE=true USER=x
cargo -q init --vcs none --name x p; cd p; cargo -q build; ./target/debug/x | grep -q Hello
""",
    "gcc": """
set -e; cd $IN; echo 'int main(void) { return 0; }' >a.c; cp a.c b.c
printf 'all: a b\\n%%: %%.c\\n\\tgcc -o $@ $<\\n' >Makefile; make -s -j2; ./a; ./b
""",
    "strace": "set -e; cd $IN; strace -f -o trace sh -c 'true; true'; grep -q exit_group trace",
}
PATH = f"{ENV['PATH']}:/usr/local/bin:/root/.cargo/bin"
NEEDS = {"sh": "sh", "python": PYTHON, "gcc": "make"}


@pytest.mark.parametrize("name", WORK)
def test_a_program_works_as_it_does_unconfined(arena: Arena, user: int, name: str) -> None:
    program = shutil.which(NEEDS.get(name, name), path=PATH)
    if program is None or (user and program.startswith("/root")):
        pytest.skip(f"no {name}")
    arena.env |= {"HOME": arena.env["IN"], "TMPDIR": arena.env["IN"], "PATH": PATH}
    if name == "cargo":
        arena.env |= {"RUSTUP_HOME": "/root/.rustup"}

    said = arena.run(f"{WORK[name]}\necho WELL", confined=True)

    assert said.splitlines()[-1:] == ["WELL"], said
