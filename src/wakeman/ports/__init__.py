"""What Wakeman needs from outside, as protocols, one module for what varies together; `World` is one of each.

The engine talks to these alone. Real ones are in `adapters/`, their in-memory twins in `adapters/memory/`; the tests in
`tests/contracts/` run the same contract on both. A name is loaded on first use: a check needs few.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wakeman.ports.backend import Backend as Backend
    from wakeman.ports.backend import InspectedBackend as InspectedBackend
    from wakeman.ports.backend import KeyedBackend as KeyedBackend
    from wakeman.ports.backend import NodeTrial as NodeTrial
    from wakeman.ports.backend import TimingBackend as TimingBackend
    from wakeman.ports.client import ClientVersion as ClientVersion
    from wakeman.ports.client import Command as Command
    from wakeman.ports.client import DialogReader as DialogReader
    from wakeman.ports.client import Evidence as Evidence
    from wakeman.ports.client import Harness as Harness
    from wakeman.ports.client import Pressing as Pressing
    from wakeman.ports.client import Reader as Reader
    from wakeman.ports.client import Report as Report
    from wakeman.ports.client import ShownDialog as ShownDialog
    from wakeman.ports.client import Source as Source
    from wakeman.ports.client import Task as Task
    from wakeman.ports.client import TranscriptPaths as TranscriptPaths
    from wakeman.ports.client import release as release
    from wakeman.ports.clock import Clock as Clock
    from wakeman.ports.confiner import Confiner as Confiner
    from wakeman.ports.confiner import Reach as Reach
    from wakeman.ports.executor import Carried as Carried
    from wakeman.ports.executor import CopyingExecutor as CopyingExecutor
    from wakeman.ports.executor import Executor as Executor
    from wakeman.ports.executor import ExplainingExecutor as ExplainingExecutor
    from wakeman.ports.executor import HoldingExecutor as HoldingExecutor
    from wakeman.ports.executor import HostedExecutor as HostedExecutor
    from wakeman.ports.executor import Lack as Lack
    from wakeman.ports.executor import Listing as Listing
    from wakeman.ports.executor import LocatedExecutor as LocatedExecutor
    from wakeman.ports.executor import Made as Made
    from wakeman.ports.executor import Phase as Phase
    from wakeman.ports.executor import SessionInfo as SessionInfo
    from wakeman.ports.executor import Sought as Sought
    from wakeman.ports.executor import Start as Start
    from wakeman.ports.executor import WakingExecutor as WakingExecutor
    from wakeman.ports.files import STATE_MARKER as STATE_MARKER
    from wakeman.ports.files import EntryKind as EntryKind
    from wakeman.ports.files import Files as Files
    from wakeman.ports.files import Installed as Installed
    from wakeman.ports.files import PathEntry as PathEntry
    from wakeman.ports.log_store import Logs as Logs
    from wakeman.ports.log_store import Writer as Writer
    from wakeman.ports.machine import OUT_BYTES_MAX as OUT_BYTES_MAX
    from wakeman.ports.machine import Kin as Kin
    from wakeman.ports.machine import Machine as Machine
    from wakeman.ports.machine import Ran as Ran
    from wakeman.ports.parser import Parser as Parser
    from wakeman.ports.profiles import FoundProfiles as FoundProfiles
    from wakeman.ports.registry import Registry as Registry
    from wakeman.ports.repository import Branch as Branch
    from wakeman.ports.repository import Git as Git
    from wakeman.ports.repository import Kept as Kept
    from wakeman.ports.repository import Merge as Merge
    from wakeman.ports.repository import MergeResult as MergeResult
    from wakeman.ports.terminal import KEYS as KEYS
    from wakeman.ports.terminal import CrowdTerminal as CrowdTerminal
    from wakeman.ports.terminal import KeyedTerminal as KeyedTerminal
    from wakeman.ports.terminal import PaintedTerminal as PaintedTerminal
    from wakeman.ports.terminal import Terminal as Terminal
    from wakeman.ports.timer import SOON as SOON
    from wakeman.ports.timer import Job as Job
    from wakeman.ports.timer import QueuedTimer as QueuedTimer
    from wakeman.ports.timer import Timer as Timer
    from wakeman.ports.watcher import FileChanges as FileChanges
    from wakeman.ports.watcher import Watch as Watch
    from wakeman.ports.watcher import Watcher as Watcher
    from wakeman.ports.world import Common as Common
    from wakeman.ports.world import Delivery as Delivery
    from wakeman.ports.world import Heard as Heard
    from wakeman.ports.world import World as World

_MODULES = {
    "clock": ("Clock",),
    "log_store": ("Writer", "Logs"),
    "backend": ("Backend", "InspectedBackend", "KeyedBackend", "NodeTrial", "TimingBackend"),
    "executor": (
        "Carried",
        "CopyingExecutor",
        "Executor",
        "ExplainingExecutor",
        "HoldingExecutor",
        "HostedExecutor",
        "Lack",
        "Listing",
        "LocatedExecutor",
        "Made",
        "Phase",
        "SessionInfo",
        "Sought",
        "Start",
        "WakingExecutor",
    ),
    "terminal": ("KEYS", "CrowdTerminal", "KeyedTerminal", "PaintedTerminal", "Terminal"),
    "timer": ("SOON", "Job", "QueuedTimer", "Timer"),
    "files": ("STATE_MARKER", "EntryKind", "Installed", "PathEntry", "Files"),
    "parser": ("Parser",),
    "profiles": ("FoundProfiles",),
    "machine": ("Kin", "OUT_BYTES_MAX", "Ran", "Machine"),
    "watcher": ("FileChanges", "Watch", "Watcher"),
    "confiner": ("Confiner", "Reach"),
    "client": (
        "Source",
        "Task",
        "TranscriptPaths",
        "Command",
        "Evidence",
        "Report",
        "Reader",
        "Harness",
        "ClientVersion",
        "DialogReader",
        "Pressing",
        "ShownDialog",
        "release",
    ),
    "repository": ("Branch", "Kept", "Merge", "MergeResult", "Git"),
    "registry": ("Registry",),
    "world": ("Common", "Delivery", "Heard", "World"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
