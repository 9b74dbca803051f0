"""Every port in memory: a clock that is moved manually, and simulated workers. `rehearse` and the tests use it; nothing
of the machine is touched, and a deployment takes milliseconds. Log lines are the real ones, encoded, chained and
decoded.
"""

from wakeman.adapters.memory.clock import MemoryClock
from wakeman.adapters.memory.confine import MemoryConfiner
from wakeman.adapters.memory.disk import MemoryFiles
from wakeman.adapters.memory.git import MemoryGit
from wakeman.adapters.memory.logs import MemoryLogs
from wakeman.adapters.memory.machine import MemoryMachine, MemoryTimer
from wakeman.adapters.memory.parser import MemoryParser
from wakeman.adapters.memory.sessions import Act, MemoryHarness, MemorySessions
from wakeman.adapters.memory.watch import MemoryWatcher
from wakeman.adapters.memory.world import MemoryWorld

__all__ = [
    "Act",
    "MemoryClock",
    "MemoryConfiner",
    "MemoryFiles",
    "MemoryGit",
    "MemoryHarness",
    "MemoryLogs",
    "MemoryMachine",
    "MemoryParser",
    "MemorySessions",
    "MemoryTimer",
    "MemoryWatcher",
    "MemoryWorld",
]
