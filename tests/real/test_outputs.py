"""A night in which a worker makes whatever it likes of its outputs: each gets its verdict, and the others are done."""

from __future__ import annotations

from tests.real.rig import REAL, Rig

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = [NAMES]
output = "out/{{ unit }}.yml"
[workers]
by = "all"
name = "night_w"
command = ["PYTHON", "hostile.py"]
socket = "SOCKET"
stagger = 0
[verify]
parse = "yaml"
parse_limit = { time = "2s", memory = "128M", size = "20M" }
[stuck]
attempts = 1
[cleanup]
rounds = 0
"""

MAKES = {
    "good": "put('a: 1\\n')",
    "tags": "put('a: !Ref b\\nc: !!bool maybe\\nd: !!timestamp x\\n')",
    "twice": "put('a: 1\\na: 2\\n')",
    "deep": "put('[' * 10**6)",
    "many": "put('[' + '1,' * 9 * 10**6 + '1]')",
    "large": "put('#' * 21 * 2**20 + '\\na: 1\\n')",
    "bytes": "open(path, 'wb').write(bytes(range(256)))",
    "empty": "put('# nothing\\n')",
    "pipe": "os.mkfifo(path)",
    "directory": "os.mkdir(path)",
    "passwd": "os.symlink('/etc/hostname', path)",
    "sibling": "os.symlink('good.yml', path)",
    "nowhere": "os.symlink('nowhere', path)",
    "one": "put('a: 1\\n')",
    "other": "os.link('out/one.yml', path)",
    "sub/moved": "os.rmdir('out/sub'), os.symlink('.', 'out/sub'), open('out/moved.yml', 'w').write('a: 1\\n')",
}
SAID = {
    "twice": "the key 'a' is there twice",
    "deep": "not YAML: line 1: ",
    "many": "too slow: ",
    "large": "too large: ",
    "bytes": "not YAML: ",
    "empty": "holds nothing",
    "pipe": "a named pipe, expected a file",
    "directory": "a directory, expected a file",
    "passwd": "a symbolic link, expected a file",
    "sibling": "a symbolic link, expected a file",
    "nowhere": "a symbolic link, expected a file",
    "one": "a hard link of out/other.yml of other",
    "other": "a hard link of out/one.yml of one",
    "sub/moved": "reached by a symbolic link",
}


def test_each_output_gets_its_verdict_and_no_check_ends(rig: Rig) -> None:
    rig.write(PLAN.replace("NAMES", ", ".join(f'"{name}"' for name in MAKES)))
    lines = ["import os", "def put(text):", "    open(path, 'w').write(text)", "os.makedirs('out/sub')"]
    for name, code in MAKES.items():
        lines += [f"path = 'out/{name}.yml'", code]
    rig.write("\n".join(lines) + "\n", "hostile.py")

    assert 1 == rig.run("up", "wakeman.toml", "--wait").returncode

    status = rig.status()
    said = {
        v["unit"]: v.get("problems", [])
        for e in rig.events()
        if e["type"] == "looked"
        for v in e["data"].get("verdicts", [])
    }
    assert ("partial", sorted(SAID)) == (status["outcome"], sorted(status["units"]["missing"]))
    for name, why in SAID.items():
        assert any(why in problem for problem in said[name]), (name, said[name])
    assert [[], []] == [said["good"], said["tags"]]
    assert 0 == rig.run("audit", "night").returncode
    assert "Traceback" not in rig.trail()
