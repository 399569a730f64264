"""Measures members at batch sizes: `profile_members` makes a `LatencyProfile`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..cascade import Cascade
from ..errors import ProfileError
from ..latency import LatencyProfile, Setting, Timing
from ..progress import OnProgress, Progress, unheard
from ..work import drive
from .clock import DEFAULT_PROTOCOL, STOPWATCH, StabilityProtocol, Stopwatch
from .executor import Runner
from .session import NullSession, Session, SessionInfo, random_batch
from .settling import measure
from .turns import Turns

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
    """Measures what is not known yet; work whose steps are the opening of a member or one window.

    What is timed is a call on samples that lie where the session runs, until its answers are in
    this process's memory: that is what a cascade pays for a member. Moving the samples there is
    timed for itself.

    On a CPU up to 8 members are measured in turns, window by window, so that whatever else the
    machine does meets all of them. Elsewhere one time comes after the other.

    Args:
        targets: the members.
        batch_sizes: rows per call, at least 1.
        known: an older profile to go on from; its times are kept.
        protocol: when a measurement counts.
        stopwatch: the clocks.

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
        stopwatch: Stopwatch = STOPWATCH,
    ) -> None:
        self._targets = targets
        self._sizes = sorted(set(batch_sizes))
        self._protocol = protocol
        self._stopwatch = stopwatch
        self._news = ""
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
        self._known = () if known is None else known.timings
        missing = {
            target.name: (target, sizes)
            for target in self._targets
            if (sizes := _missing(target, self._sizes, known))
        }
        self._left = deque(missing.values())
        self._order = [(name, size) for name, (_, sizes) in missing.items() for size in sizes]
        self._turns = Turns(protocol=self._protocol, stopwatch=self._stopwatch)

    @property
    def finished(self) -> bool:
        """Whether everything is known."""
        return not self._left and not self._turns.n_waiting

    @property
    def progress(self) -> Progress:
        """See `Work.progress`."""
        total = len({target.name for target in self._targets}) * len(self._sizes)
        waiting = self._turns.n_waiting + sum(len(sizes) for _, sizes in self._left)
        text = self._turns.next_name or (self._left[0][0].name if self._left else "")
        return Progress(
            what="measuring models", done=total - waiting, total=total, unit="times", text=text,
            news=self._news,
        )  # fmt: skip

    def step(self) -> None:
        """Opens the next member, or times one window of those that are open.

        Raises:
            ProfileError: a measurement did not settle, or what is known comes from another
                setting.
        """
        self._news = ""
        if self._left and self._turns.has_room:
            self._open(*self._left.popleft())
            return
        try:
            self._turns.step()
        finally:
            self._add(self._turns.taken())

    def _open(self, target: Target, sizes: Sequence[int]) -> None:
        session = target.open()
        setting = setting_under(self._protocol, session.info.setting)
        if self.profile is None:
            one, two = overhead_times_ms(
                session.info, self._sizes[-1], protocol=self._protocol, stopwatch=self._stopwatch
            )
            self.profile = LatencyProfile(
                setting=setting, timings=(), gate_ms=max(0.0, two - one), call_ms=one
            )
        check_same_setting(self.profile.setting, setting)
        self._turns.add(session, sizes, name=target.name, source=target.source)

    def _add(self, timings: Sequence[Timing]) -> None:
        if not timings or self.profile is None:
            return
        had_disturbed = any(timing.is_disturbed for timing in self.profile.timings)
        new = [*self.profile.timings[len(self._known) :], *timings]
        new.sort(key=lambda timing: self._order.index((timing.name, timing.batch_size)))
        self.profile = replace(self.profile, timings=(*self._known, *new))
        disturbed = [timing for timing in timings if timing.is_disturbed]
        if disturbed and not had_disturbed:
            self._news = (
                f"this machine is busy: {disturbed[0].name} took {disturbed[0].stretch:.1f} times "
                "as long as alone; what is disturbed is measured in processor time"
            )


def profile_members(
    targets: Sequence[Target],
    batch_sizes: Iterable[int],
    *,
    known: LatencyProfile | None = None,
    protocol: StabilityProtocol = DEFAULT_PROTOCOL,
    stopwatch: Stopwatch = STOPWATCH,
    on_progress: OnProgress = unheard,
) -> LatencyProfile:
    """Measures what is not known yet, see `Measuring`.

    Raises:
        ProfileError: a measurement did not settle, `known` comes from another setting, or from
            another model file of the same name.
    """
    work = Measuring(targets, batch_sizes, known=known, protocol=protocol, stopwatch=stopwatch)
    drive(work, on_progress=on_progress)
    assert work.profile is not None  # without a known profile something was missing
    return work.profile


def overhead_times_ms(
    info: SessionInfo,
    batch_size: int,
    *,
    protocol: StabilityProtocol = DEFAULT_PROTOCOL,
    stopwatch: Stopwatch = STOPWATCH,
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
    found = measure(
        calls, name="exit decision", protocol=protocol, stopwatch=stopwatch, n_threads=1
    )
    one, two = found.figures_ms.tolist()
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
