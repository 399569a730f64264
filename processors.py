"""The processors of this machine, as far as this process may use them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_processors() -> int:
    """How many processors this process may use: its affinity, or the quota of its control group.

    A container with a limit of 1.5 processors counts as one with 2: the last one is used in part.
    """
    return int(min(_allowed_processors(), _quota(CGROUPS, OWN_CGROUPS)))


def _allowed_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path, own: Path) -> float:
    """The smallest quota of the group and all above it, in processors; infinity without one."""
    try:
        lines = own.read_text("utf-8").splitlines()
    except OSError:  # not Linux
        return math.inf
    quotas = (_quota_of(folder) for line in lines for folder in _groups(root, line))
    least = min(quotas, default=math.inf)
    return least if math.isinf(least) else max(1, math.ceil(least))


def _groups(root: Path, line: str) -> Iterator[Path]:
    """The folders of a line "0::/a/b" (version 2) or "4:cpu,cpuacct:/a/b" (version 1)."""
    _, controllers, path = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    base = root / controllers if controllers else root
    group = base / path.lstrip("/")
    # Inside of a container its group may be mounted as the root.
    yield base
    while group.is_relative_to(base) and group != base:
        yield group
        group = group.parent


def _quota_of(folder: Path) -> float:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = " ".join((folder / name).read_text("utf-8") for name in names).split()
            quota, period = (float(word) for word in words)
        except (OSError, ValueError):  # no such file, or "max": no quota
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf
