"""What a process, with its children, takes of the machine: processor time and memory."""

from __future__ import annotations

import os
import platform
import re
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PEAK_UNIT = 1 if platform.system() == "Darwin" else 1024
_PSS = re.compile(r"^Pss: +(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """Taken so far, and now."""

    cpu_seconds: float  # user and system, since the start; of ended children too
    memory_bytes: int  # resident, where Linux tells it with shared pages counted in parts (PSS)


def take_usage(children: Iterable[int] = ()) -> Usage:
    """Add up this process and its children.

    Args:
        children: process ids of those that still run; one that is gone counts with what it used, as an ended one.
    """
    ended, own = (resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    running = list(children)
    cpu_seconds = sum(each.ru_utime + each.ru_stime for each in (ended, own)) + sum(map(_cpu_seconds, running))
    return Usage(cpu_seconds, _memory_bytes(os.getpid()) + sum(map(_memory_bytes, running)))


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # the name may hold anything
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_bytes(pid: int) -> int:
    try:
        found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT
    return highest if pid == os.getpid() else 0
