"""Reports from files to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import FrontError
from ..files import write_atomically
from ..fronts.front import Front
from ..latency import LatencyProfile
from ..manifest import Manifest
from ..pools.pool import Pool
from .content import Report, report_of
from .page import html_page
from .svg import draw


def write_report(
    fronts: Sequence[Path],
    out: Path,
    *,
    pools: Sequence[Path] = (),
    bundles: Sequence[Path] = (),
    profile: Path | None = None,
) -> Report:
    """Writes a report of fronts as `out`: a whole page (.html), or its first chart alone (.svg).

    Args:
        fronts: front files, as searched or evaluated elsewhere; at least one.
        out: the file to write; its ending decides what it is.
        pools: pool folders: the first one decides which single model is the best one, costs are
            reported on the last one.
        bundles: bundle folders, the chosen cascades.
        profile: a latency profile, for latency fronts and the single models' times.

    Raises:
        EncasError: a file is missing or has faults, or they do not belong together.
    """
    if out.suffix not in (".html", ".svg"):
        raise FrontError(f"expected a name that ends with .html or .svg, got {out.name!r}")
    report = report_of(
        [Front.load(path) for path in fronts],
        pools=[Pool.load(path) for path in pools],
        bundles=[Manifest.load(path) for path in bundles],
        profile=LatencyProfile.load(profile) if profile else None,
    )
    if out.suffix == ".html":
        write_atomically(out, html_page(report))
    else:
        write_atomically(out, draw(report.figures[0].chart, alone=True) + "\n")
    return report
