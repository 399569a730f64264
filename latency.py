"""What members cost in time on one device: `LatencyProfile`, measured, stored, asked.

The prediction for a cascade at batch size B is sum_j L_j(reach_j * B) + what the executor spends on
the call and on each exit decision, with L_j(b) the measured time of member j on b rows, linear
between the profiled batch sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import DoubleArray
from .errors import ProfileError
from .files import json_text, read_json, write_atomically
from .schema import check
from .timings import Setting, Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyProfile:
    """Measured times of members at batch sizes, in one setting.

    Args:
        setting: where and how they were measured.
        timings: one for each pair of member and batch size.
        gate_ms: measured time per batch that a cascade spends besides its members, per stage
            that is followed by an exit decision.
        call_ms: measured time per batch that a cascade of one member spends besides that.
        corrections: member -> what its times in a composed cascade are, as a multiple of its times
            alone; 1 where a member is not listed. The timings stay as measured.
        overhead_correction: the same for `gate_ms` and `call_ms`.

    Raises:
        ProfileError: a pair comes twice, or a time or correction is not positive.
    """

    setting: Setting
    timings: tuple[Timing, ...]
    gate_ms: float = 0.0
    corrections: Mapping[str, float] = field(default_factory=dict[str, float])
    call_ms: float = 0.0
    overhead_correction: float = 1.0
    _curves: Mapping[str, tuple[DoubleArray, DoubleArray]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "timings", tuple(self.timings))
        faults = _profile_faults(
            self.timings, {"overhead": self.overhead_correction, **self.corrections}
        )
        if faults:
            raise ProfileError(*faults, where="latency profile")
        object.__setattr__(self, "_curves", _curves_of(self.timings))

    @property
    def members(self) -> tuple[str, ...]:
        """The members that were measured, in the order of their first timing."""
        return tuple(self._curves)

    @property
    def note(self) -> str:
        """One line on times that others disturbed; "" where there are none."""
        disturbed = [timing for timing in self.timings if timing.is_disturbed]
        if not disturbed:
            return ""
        stretches = sorted(timing.stretch for timing in disturbed)
        return (
            f"the machine was busy: {len(disturbed)} of {len(self.timings)} times are made of "
            f"processor time, since calls took {stretches[0]:.2g} to {stretches[-1]:.2g} times as "
            "long (marked *; clock: processor in the file)"
        )

    def batch_sizes(self, member: str) -> tuple[int, ...]:
        """The batch sizes that `member` was measured at, ascending."""
        return tuple(int(b) for b in self._curve(member)[0][1:])

    def member_ms(self, member: str, rows: DoubleArray | float) -> DoubleArray:
        """L(rows): milliseconds of one call of `member` on `rows` rows (array of any shape).

        The corrected time: what the call takes as part of a cascade.

        Linear between the profiled batch sizes; below the smallest one, proportional to the
        share of the batches that have any row at all.

        Raises:
            ProfileError: the member was not measured, or never at as many rows.
        """
        sizes, times = self._curve(member)
        if np.max(rows, initial=0.0) > sizes[-1]:
            raise ProfileError(
                f"{member} was measured up to batch size {int(sizes[-1])}, asked for "
                f"{float(np.max(rows)):g} rows; profile it at a larger batch size",
                where="latency profile",
            )
        return np.asarray(np.interp(rows, sizes, times)) * self.corrections.get(member, 1.0)

    def transfer_ms(self, member: str, batch_size: int) -> float:
        """Milliseconds to move a batch of a profiled size to where `member` runs."""
        times = [
            timing.transfer_ms
            for timing in self.timings
            if timing.name == member and timing.batch_size >= batch_size
        ]
        return min(times, default=0.0)

    def cascade_ms(
        self, members: Sequence[str], reach: Sequence[float], *, batch_size: int
    ) -> float:
        """Predicted milliseconds per batch of a cascade with these members and reaches [k].

        Moving the batch to the device is included.
        """
        rows = np.asarray(reach, np.float64) * batch_size
        times = [float(self.member_ms(m, float(b))) for m, b in zip(members, rows, strict=True)]
        return sum(times) + self.overhead_ms(rows) + self.moving_ms(batch_size)

    def moving_ms(self, batch_size: int) -> float:
        """Milliseconds to move a batch to the device, whichever member is first.

        Members take the same samples, so the median over them is one figure for all cascades.
        """
        return float(np.median([self.transfer_ms(member, batch_size) for member in self.members]))

    def overhead_ms(self, rows: DoubleArray) -> float:
        """Corrected milliseconds of a batch besides its members, which get `rows` [k] rows."""
        return self.call_ms * self.overhead_correction + float(self.exit_ms(rows[:-1]).sum())

    def exit_ms(self, rows: DoubleArray) -> DoubleArray:
        """Milliseconds of exit decisions on `rows` rows (array of any shape), corrected.

        The mean over batches: a batch without rows takes no decision.
        """
        return np.minimum(1.0, rows) * (self.gate_ms * self.overhead_correction)

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON object of the format `encas.profile`, version 1."""
        return {
            "format": "encas.profile",
            "version": 1,
            "setting": asdict(self.setting),
            "gate_ms": self.gate_ms,
            "corrections": dict(self.corrections),
            "call_ms": self.call_ms,
            "overhead_correction": self.overhead_correction,
            "timings": [t.to_json() for t in self.timings],
        }

    @property
    def digest(self) -> str:
        """The SHA-256 of the profile's JSON."""
        return hashlib.sha256(json_text(self.to_json()).encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Writes the profile as JSON, atomically."""
        write_atomically(Path(path), json_text(self.to_json()))

    @classmethod
    def load(cls, path: str | Path) -> LatencyProfile:
        """Reads a profile.

        Raises:
            ProfileError: the file is missing, foreign or has faults.
        """
        content: Any = read_json(Path(path), error=ProfileError)
        check(content, "profile", error=ProfileError, where=str(path))
        return cls(
            setting=Setting(**content["setting"]),
            gate_ms=content["gate_ms"],
            corrections=content.get("corrections", {}),
            call_ms=content.get("call_ms", 0.0),
            overhead_correction=content.get("overhead_correction", 1.0),
            timings=tuple(
                Timing(**(t | {"samples_ms": tuple(t["samples_ms"])})) for t in content["timings"]
            ),
        )

    def _curve(self, member: str) -> tuple[DoubleArray, DoubleArray]:
        if member not in self._curves:
            known = ", ".join(sorted(self._curves)) or "none"
            raise ProfileError(
                f"no timing of member {member!r} (measured: {known}); run `encas profile` for it",
                where="latency profile",
            )
        return self._curves[member]


def given_profile(profile: LatencyProfile | str | Path | None) -> LatencyProfile | None:
    """A profile as a user names it: the value itself, its file, or none.

    Raises:
        ProfileError: it is none of these, or the file has faults.
    """
    if profile is None or isinstance(profile, LatencyProfile):
        return profile
    if isinstance(profile, (str, Path)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return LatencyProfile.load(profile)
    raise ProfileError(
        f"expected a LatencyProfile or the path of one, got {type(profile).__name__}"
    )


def _curves_of(timings: Sequence[Timing]) -> dict[str, tuple[DoubleArray, DoubleArray]]:
    points: dict[str, dict[int, float]] = {}
    for timing in timings:
        points.setdefault(timing.name, {0: 0.0})[timing.batch_size] = timing.p50_ms
    return {
        name: (np.array(sorted(curve), np.float64), np.array([curve[b] for b in sorted(curve)]))
        for name, curve in points.items()
    }


def _profile_faults(timings: Sequence[Timing], corrections: Mapping[str, float]) -> list[str]:
    faults = [
        f"{name}: a correction must be positive, got {factor:g}"
        for name, factor in corrections.items()
        if not 0 < factor < float("inf")
    ]
    seen: set[tuple[str, int]] = set()
    for timing in timings:
        key = (timing.name, timing.batch_size)
        if key in seen:
            faults.append(f"{timing.name} at batch size {timing.batch_size} comes twice")
        seen.add(key)
        if timing.batch_size < 1 or not timing.p50_ms > 0:
            faults.append(
                f"{timing.name}: batch size and time must be positive, "
                f"got {timing.batch_size} and {timing.p50_ms:g} ms"
            )
    return faults
