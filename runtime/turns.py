"""Members that are measured in turns, window by window."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..timings import Timing
from .clock import StabilityProtocol, Stopwatch, threads_of
from .gpu_meter import Meter, meter_of
from .session import Held, HostSamples, Session, random_batch
from .settling import Measurement, Settling, measure

# Open members: so many sessions and their memory are there at once.
MOST_MEMBERS = 8


class Turns:
    """Times of members under way, which take turns on a CPU; elsewhere one waits for the other.

    Args:
        protocol: when a measurement counts.
        stopwatch: the clocks.
    """

    def __init__(self, *, protocol: StabilityProtocol, stopwatch: Stopwatch) -> None:
        self._protocol = protocol
        self._stopwatch = stopwatch
        self._running = deque[_Running]()
        self._settled = list[_Running]()
        self._companies = dict[int, list[Settling]]()
        self._taken = list[Timing]()
        self._members = set[str]()

    @property
    def n_waiting(self) -> int:
        """How many times are under way."""
        return len(self._running) + len(self._settled)

    @property
    def next_name(self) -> str:
        """The member whose window comes next, "" where there is none."""
        return self._running[0].name if self._running else ""

    @property
    def has_room(self) -> bool:
        """Whether another member may be added: all at the beginning, or none."""
        if not self.n_waiting:
            return True
        is_begun = any(one.is_begun for one in (*self._running, *self._settled))
        return not is_begun and self._running[0].is_here and len(self._members) < MOST_MEMBERS

    def add(self, session: Session, sizes: Sequence[int], *, name: str, source: str) -> None:
        """Takes a member in, to be measured at batch sizes."""
        if not self.n_waiting:
            self._companies, self._members = {}, set()
        self._members.add(name)
        for size in sizes:
            company = self._companies.setdefault(size, [])
            one = _Running(
                session=session, name=name, source=source, size=size, company=company,
                protocol=self._protocol, stopwatch=self._stopwatch,
            )  # fmt: skip
            self._running.append(one)

    def step(self) -> None:
        """Times a window of the member whose turn it is.

        Raises:
            ProfileError: it did not settle; what has settled can be taken.
        """
        one = self._running.popleft()
        try:
            one.step()
        except BaseException:
            self._running.appendleft(one)
            self._take(self._settled)
            raise
        if one.is_settled:
            self._settled.append(one)
        elif one.is_here:
            self._running.append(one)
        else:
            self._running.appendleft(one)
        waited_for = {other.size for other in self._running}
        self._take([s for s in self._settled if s.size not in waited_for or not s.needs_company])

    def taken(self) -> list[Timing]:
        """The times that have become known since they were last taken."""
        taken, self._taken = self._taken, []
        return taken

    def _take(self, done: Sequence[_Running]) -> None:
        for one in list(done):
            self._settled.remove(one)
            self._taken.append(one.timing())
            one.release()


@dataclass(slots=True, kw_only=True, eq=False)
class _Running:
    """One member at one batch size."""

    session: Session
    name: str
    source: str
    size: int
    company: list[Settling]
    protocol: StabilityProtocol
    stopwatch: Stopwatch
    _held: Held | None = None
    _settling: Settling | None = None
    _meter: Meter | None = None
    _energy_mj: float | None = None

    @property
    def is_here(self) -> bool:
        """Whether it runs in this process, where taking turns disturbs no measurement."""
        return threads_of(self.session.info.setting) is not None

    @property
    def is_begun(self) -> bool:
        return self._settling is not None

    @property
    def is_settled(self) -> bool:
        return self._settling is not None and self._settling.is_settled

    @property
    def needs_company(self) -> bool:
        return self._settling is not None and self._settling.needs_company

    def step(self) -> None:
        """Times a window, after warming up.

        Raises:
            ProfileError: it did not settle.
        """
        if self._settling is None:
            self._settling = self._begun()
            self.company.append(self._settling)
        self._settling.step()

    def timing(self) -> Timing:
        """What came of it, once it is settled."""
        assert self._settling is not None
        found = self._settling.found()
        timing = Timing.of(
            self.name, self.size, found.times_ms.ravel().tolist(), sha256=self.session.info.sha256,
            source=self.source, clock=found.clock, undisturbed_ms=found.typical_ms,
        )  # fmt: skip
        return self._with_transfer(self._metered(timing, found))

    def release(self) -> None:
        """Gives the memory of the samples back."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def _begun(self) -> Settling:
        self.session.warm_up([self.size])
        x = random_batch(self.session.info, self.size, rng=np.random.default_rng(self.size))
        rows = np.arange(self.size, dtype=np.int64)
        self._meter = meter_of(self.session.info.setting.device)
        self._held = held = self.session.hold(x)
        self._energy_mj = self._meter.energy_mj()
        return Settling(
            [lambda: self.session.run(held.take(rows, self.size))],
            name=f"{self.name} at batch size {self.size}",
            protocol=self.protocol,
            stopwatch=self.stopwatch,
            n_threads=threads_of(self.session.info.setting),
            company=self.company,
        )

    def _with_transfer(self, timing: Timing) -> Timing:
        if isinstance(self._held, HostSamples):
            return timing
        x = random_batch(self.session.info, self.size, rng=np.random.default_rng(self.size))
        moving = measure(
            [partial(self.session.hold, x)],
            name=f"moving {self.name} at batch size {self.size}",
            protocol=self.protocol,
            stopwatch=self.stopwatch,
        )
        return replace(timing, transfer_ms=moving.typical_ms)

    def _metered(self, timing: Timing, found: Measurement) -> Timing:
        assert self._meter is not None  # it has begun
        after_mj, energy_mj = self._meter.energy_mj(), None
        if self._energy_mj is not None and after_mj is not None:
            energy_mj = (after_mj - self._energy_mj) / (found.n_runs * self.size)
        return replace(timing, sm_clock_mhz=self._meter.sm_clock_mhz(), energy_mj=energy_mj)
