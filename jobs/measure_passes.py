"""Measuring models several times over, so that what else the machine does matters less.

A measurement is stable when windows in a row agree, and that tells nothing of a neighbour who keeps
the processor busy for a minute: on a shared machine the same model was seen to take up to 2.6 times
as long, in windows that agreed. Models that are compared with each other are therefore measured in
passes over all of them, and the quickest pass of each counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import ProfileError
from ..latency import LatencyProfile, Timing
from ..progress import OnProgress, Progress, unheard
from ..runtime.profiler import Target
from .measure_latency import MeasureOptions, profile_targets


def profile_in_passes(
    targets: Sequence[Target],
    batch_sizes: Sequence[int],
    *,
    out: Path,
    options: MeasureOptions,
    n_passes: int,
    on_progress: OnProgress = unheard,
) -> LatencyProfile:
    """Measures models and writes the profile; each time is that of the quickest pass.

    A pass that is not done yet lies beside the profile, and the same call goes on with it.

    Args:
        targets: the models.
        batch_sizes: rows per call.
        out: the profile; what it knows already is not measured again.
        options: where and how.
        n_passes: how often each is measured.
        on_progress: hears how many of the `n_passes` for each model and size are done.

    Raises:
        ProfileError: a measurement did not settle, or `out` or a pass is of another setting, or
            has other models by the same names.
        EncasError: a model cannot be exported or loaded.
    """
    known = LatencyProfile.load(out) if out.exists() else None
    wanted = {(target.name, size) for target in targets for size in batch_sizes}
    if known is not None:
        _refuse_other_models(known, targets, where=out)
        if wanted <= _by_key(known).keys():
            return known
    files = [out.with_name(f"{out.name}.pass-{n}") for n in range(1, n_passes + 1)]
    passes = list[LatencyProfile]()
    for file in files:
        passes.append(
            profile_targets(
                targets,
                batch_sizes,
                out=file,
                options=options,
                known=known,
                on_progress=_in_pass(len(passes), n_passes, on_progress),
            )
        )
    found = quickest(passes)
    found.save(out)
    for file in files:
        file.unlink()
    return found


def quickest(profiles: Sequence[LatencyProfile]) -> LatencyProfile:
    """The first profile with all timings of any, each the one with the least median."""
    best = dict[tuple[str, int], Timing]()
    for profile in profiles:
        for key, timing in _by_key(profile).items():
            if key not in best or timing.p50_ms < best[key].p50_ms:
                best[key] = timing
    return replace(profiles[0], timings=tuple(best.values()))


def _in_pass(index: int, n_passes: int, on_progress: OnProgress) -> OnProgress:
    """Hears of a pass, and tells of all of them."""

    def tell(one: Progress) -> None:
        total = one.total or 0
        on_progress(replace(one, done=index * total + one.done, total=n_passes * total))

    return tell


def _refuse_other_models(known: LatencyProfile, targets: Sequence[Target], *, where: Path) -> None:
    """The same genome with other samples or classes is another model."""
    sources = {target.name: target.source for target in targets}
    others = {t.name for t in known.timings if t.source != sources.get(t.name, t.source)}
    if others:
        raise ProfileError(
            f"has times of {len(others)} other models by the same names, as {min(others)}, made "
            f"for other samples or classes; write to another file",
            where=str(where),
        )


def _by_key(profile: LatencyProfile) -> dict[tuple[str, int], Timing]:
    return {(timing.name, timing.batch_size): timing for timing in profile.timings}
