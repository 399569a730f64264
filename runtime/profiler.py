"""Measures members at batch sizes: `profile_members` makes a `LatencyProfile`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..cascade import Cascade
from ..errors import ProfileError
from ..latency import LatencyProfile, Setting, Timing
from ..progress import OnProgress, Progress, unheard
from ..work import drive
from .clock import DEFAULT_PROTOCOL, Clock, StabilityProtocol, measure
from .executor import Runner
from .gpu_meter import Meter, meter_of
from .session import HostSamples, NullSession, Session, SessionInfo, random_batch

PACE = "pace_ms"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A member to measure.

    Args:
        name: as the profile shall call it.
        open: makes the session; called only if something of the member is not known yet.
        sha256: of the model file, "" where only `open` finds out.
        source: the SPEC that the model comes from, "" where it is not known.
    """

    name: str
    open: Callable[[], Session]
    sha256: str = ""
    source: str = ""


class Measuring:
    """Measures what is not known yet; work whose steps are one time of one member each.

    What is timed is a call on samples that lie where the session runs, until its answers are in
    this process's memory: that is what a cascade pays for a member. Moving the samples there is
    timed for itself.

    Args:
        targets: the members.
        batch_sizes: rows per call, at least 1.
        known: an older profile to go on from; its times are kept.
        protocol: when a measurement counts.
        clock: gives nanoseconds.

    Raises:
        ProfileError: there is nothing to measure, or `known` comes from another model file of the
            same name.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        batch_sizes: Iterable[int],
        *,
        known: LatencyProfile | None = None,
        protocol: StabilityProtocol = DEFAULT_PROTOCOL,
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        self._targets = targets
        self._sizes = sorted(set(batch_sizes))
        self._protocol = protocol
        self._clock = clock
        self._opened: tuple[Target, Session] | None = None
        if not targets or not self._sizes or self._sizes[0] < 1:
            fault = f"expected members and batch sizes of at least 1, got {self._sizes}"
            raise ProfileError(fault)
        self.restore(known)

    def restore(self, known: LatencyProfile | None) -> None:
        """Goes on from a profile.

        Raises:
            ProfileError: it has a member of the same name from another model file.
        """
        self.profile = known
        missing = {
            (target.name, size): target
            for target in self._targets
            for size in _missing(target, self._sizes, known)
        }
        self._left = deque((target, size) for (_, size), target in missing.items())

    @property
    def finished(self) -> bool:
        """Whether everything is known."""
        return not self._left

    @property
    def progress(self) -> Progress:
        """See `Work.progress`."""
        total = len({target.name for target in self._targets}) * len(self._sizes)
        text = "" if self.finished else self._left[0][0].name
        done = total - len(self._left)
        return Progress(what="measuring models", done=done, total=total, unit="times", text=text)

    def step(self) -> None:
        """Measures the next member at the next batch size.

        Raises:
            ProfileError: the measurement did not settle, or what is known comes from another
                setting.
        """
        target, size = self._left[0]
        if self._opened is None or self._opened[0] is not target:
            self._opened = (target, target.open())
        session = self._opened[1]
        protocol, clock, info = self._protocol, self._clock, session.info
        setting = setting_under(protocol, info.setting)
        profile = self.profile
        if profile is None:
            one, two = overhead_times_ms(info, self._sizes[-1], protocol=protocol, clock=clock)
            profile = LatencyProfile(
                setting=setting, timings=(), gate_ms=max(0.0, two - one), call_ms=one
            )
        check_same_setting(profile.setting, setting)
        timing = _timing(session, target, size, protocol, clock)
        self.profile = replace(profile, timings=(*profile.timings, timing))
        self._left.popleft()


def profile_members(
    targets: Sequence[Target],
    batch_sizes: Iterable[int],
    *,
    known: LatencyProfile | None = None,
    protocol: StabilityProtocol = DEFAULT_PROTOCOL,
    clock: Clock = time.perf_counter_ns,
    on_progress: OnProgress = unheard,
) -> LatencyProfile:
    """Measures what is not known yet, see `Measuring`.

    Raises:
        ProfileError: a measurement did not settle, `known` comes from another setting, or from
            another model file of the same name.
    """
    work = Measuring(targets, batch_sizes, known=known, protocol=protocol, clock=clock)
    drive(work, on_progress=on_progress)
    assert work.profile is not None  # without a known profile something was missing
    return work.profile


def overhead_times_ms(
    info: SessionInfo,
    batch_size: int,
    *,
    protocol: StabilityProtocol = DEFAULT_PROTOCOL,
    clock: Clock = time.perf_counter_ns,
) -> tuple[float, float]:
    """Milliseconds that the executor itself spends on a batch, with one member and with two.

    The members cost nothing; of the two, the first lets all samples on. Both are timed in turns.
    """
    uniform = np.full((batch_size, info.n_classes), 1 / info.n_classes, np.float32)
    sessions = [NullSession(uniform, replace(info, name=name)) for name in ("first", "second")]
    cascades = [
        Cascade(members=("first", "second")[:n], thresholds=(1.0,) * (n - 1)) for n in (1, 2)
    ]
    runners = [Runner(one, sessions[: one.n_stages]) for one in cascades]
    x = random_batch(info, batch_size, rng=np.random.default_rng(0))
    calls = [_Call(runner, x) for runner in runners]
    for call in calls:
        call()
    found = measure(calls, name="exit decision", protocol=protocol, clock=clock)
    one, two = np.median(found.times_ms, axis=1).tolist()
    return one, two


def setting_under(protocol: StabilityProtocol, setting: Setting) -> Setting:
    """The setting of times that are measured so: paced times are not mixed with hot ones."""
    if not protocol.pace_ms:
        return setting
    return replace(setting, options={**setting.options, PACE: f"{protocol.pace_ms:g}"})


def check_same_setting(known: Setting, new: Setting) -> None:
    """Refuses to mix times of two settings.

    Raises:
        ProfileError: names every difference.
    """
    faults = [
        f"{field.name} was {getattr(known, field.name)!r}, is {getattr(new, field.name)!r} now"
        for field in fields(Setting)
        if getattr(known, field.name) != getattr(new, field.name)
    ]
    if faults:
        raise ProfileError(
            *faults, "times of different settings are not mixed; write to another file",
            where="latency profile",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Call:
    run: Callable[..., object]
    batch: object

    def __call__(self) -> object:
        return self.run(self.batch)


def _missing(target: Target, sizes: Sequence[int], profile: LatencyProfile | None) -> list[int]:
    timings = [t for t in profile.timings if t.name == target.name] if profile else []
    for timing in timings:
        is_same_file = timing.sha256 == target.sha256
        is_same_source = bool(target.source) and timing.source == target.source
        if target.sha256 and not is_same_file and not is_same_source:
            raise ProfileError(
                f"{target.name} was measured with another model file; write to another file",
                where="latency profile",
            )
    done = {timing.batch_size for timing in timings}
    return [size for size in sizes if size not in done]


def _timing(
    session: Session, target: Target, size: int, protocol: StabilityProtocol, clock: Clock
) -> Timing:
    session.warm_up([size])
    x = random_batch(session.info, size, rng=np.random.default_rng(size))
    rows = np.arange(size, dtype=np.int64)
    name = f"{target.name} at batch size {size}"
    meter = meter_of(session.info.setting.device)
    held = session.hold(x)
    try:
        energy_mj = meter.energy_mj()
        measured = measure(
            [lambda: session.run(held.take(rows, size))], name=name, protocol=protocol, clock=clock
        )
        timing = Timing.of(
            target.name,
            size,
            measured.times_ms.ravel().tolist(),
            sha256=session.info.sha256,
            source=target.source,
        )
        timing = _metered(timing, meter, energy_mj, measured.n_runs * size)
    finally:
        held.release()
    if isinstance(held, HostSamples):
        return timing
    moving = measure(
        [_Call(session.hold, x)], name=f"moving {name}", protocol=protocol, clock=clock
    )
    return replace(timing, transfer_ms=moving.typical_ms)


def _metered(timing: Timing, meter: Meter, before_mj: float | None, n_rows: int) -> Timing:
    after_mj = meter.energy_mj()
    energy_mj = None
    if before_mj is not None and after_mj is not None:
        energy_mj = (after_mj - before_mj) / n_rows
    return replace(timing, sm_clock_mhz=meter.sm_clock_mhz(), energy_mj=energy_mj)
