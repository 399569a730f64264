"""`report`: fronts as one page, or one chart, in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..class_names import OnNote, matched_classes, unnoted
from ..errors import FrontError
from ..files import write_atomically
from ..fronts.front import Front, given_front
from ..latency import LatencyProfile, given_profile
from ..manifest import Manifest
from ..pools.pool import Pool, given_pool
from ..pools.pool_classes import in_classes_of
from .content import Report, report_of
from .page import html_page
from .svg import draw


def report(
    *fronts: Front | str | Path,
    out: str | Path,
    pools: Sequence[Pool | str | Path] = (),
    bundles: Sequence[str | Path] = (),
    single: str | Path | None = None,
    profile: LatencyProfile | str | Path | None = None,
    on_note: OnNote = unnoted,
) -> Report:
    """Writes a report of fronts: a whole page (.html), or its first chart alone (.svg).

    Args:
        *fronts: as searched or evaluated elsewhere, or their files; at least one.
        out: the file to write; its ending decides what it is.
        pools: the first one decides which single model is the best one, costs are reported on the
            last one; pools or their folders.
        bundles: folders of the chosen cascades.
        single: the folder of a bundle of the best single model, measured as the cascades were;
            without it, its times are made of the profile's.
        profile: for latency fronts and the single models' times; the profile or its file.
        on_note: hears how the classes of pools and bundles were matched with the first front's.

    Returns:
        What the page says, as a value.

    Raises:
        EncasError: a file is missing or has faults, or they do not belong together.
    """
    file = Path(out)
    if file.suffix not in (".html", ".svg"):
        raise FrontError(f"expected a name that ends with .html or .svg, got {file.name!r}")
    if not fronts:
        raise FrontError("there is nothing to report: give at least one front")
    given = [given_front(front) for front in fronts]
    known = given[0].pool.class_names
    manifests = [Manifest.load(bundle) for bundle in bundles]
    for names in (*(f.pool.class_names for f in given[1:]), *(m.class_names for m in manifests)):
        match = matched_classes(names, known, error=FrontError)
        if match.relation != "unnamed" and match.note:
            on_note(match.note)
    content = report_of(
        given,
        pools=[in_classes_of(given_pool(pool), known, on_note=on_note) for pool in pools],
        bundles=manifests,
        single=None if single is None else Manifest.load(single),
        profile=given_profile(profile),
    )
    if file.suffix == ".html":
        write_atomically(file, html_page(content))
    else:
        write_atomically(file, draw(content.figures[0].chart, alone=True) + "\n")
    return content
