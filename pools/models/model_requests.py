"""What a user types to name many models -> one `ModelRequest` for each.

resnet18            a SPEC, see specs.py
NAME=SPEC           the same, under another name in the pool
timm:*efficientnet* every timm model whose name matches; with a dot, also the weights' tag is
                    matched (timm:resnet50.*), without one each model comes once
onnx:DIR/*.onnx     every file that matches
@FILE               one of these on each line; paths in it are relative to FILE
"""

from __future__ import annotations

import csv
import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TypeAlias

from ...errors import EncasError, PoolError, SourceError
from ...progress import OnProgress, Progress, unheard
from .specs import Spec, parse_spec

PRESETS = ("encas-timm",)
IS_GLOB = re.compile(r"[*\[]")
LOOKING = "looking for models"
NAMED = re.compile(r"([A-Za-z0-9._+-]+)=(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A model that is wanted in a pool.

    Args:
        name: in the pool.
        spec: what it is.
        base: the folder that the SPEC's paths may be relative to.
        classes: the names of its outputs, where whoever asks for it knows them.
    """

    name: str
    spec: str
    base: Path | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRefusal:
    """A model that cannot be had, or whose macs cannot, and why."""

    name: str
    reason: str

    @property
    def told(self) -> str:
        """It in a line, for people."""
        return f"failed {self.name}: {self.reason.splitlines()[0]}"


Found: TypeAlias = "ModelRequest | ModelRefusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """Which of the timm models that a pattern or preset names are wanted; None: any.

    Args:
        max_params: parameters, at most.
        max_macs: multiply-adds per sample, at most.
        max_resolution: pixels of the longer side of a sample, at most.
        tag: a pattern for the weights' tag, such as `*in1k`.
    """

    max_params: float | None = None
    max_macs: float | None = None
    max_resolution: int | None = None
    tag: str | None = None

    def accepts(self, spec: Spec, on_progress: OnProgress = unheard) -> bool:
        """Whether a timm model is wanted; nothing of it is fetched.

        `on_progress` hears of it where it has to be made to know.

        Raises:
            SourceError: timm does not know the model.
        """
        from .timm_models import architecture_costs, timm_preprocessing  # noqa: PLC0415

        _, _, tag = spec.target.partition(".")
        if self.tag is not None and not fnmatch.fnmatchcase(tag, self.tag):
            return False
        resolution = spec.options.get("resolution", "test")
        size = timm_preprocessing(spec.target, resolution=resolution, where=spec.text)["size"]
        if self.max_resolution is not None and max(size) > self.max_resolution:
            return False
        limits = {"params": self.max_params, "macs": self.max_macs}
        limits = {cost: limit for cost, limit in limits.items() if limit is not None}
        if not limits:
            return True
        text = f"does {spec.target} pass the filters?"
        on_progress(Progress(what=LOOKING, text=text, unit="models"))
        counted = None if "macs" not in limits else tuple(size)
        costs = architecture_costs(spec.target, spec.arguments, counted, where=spec.text)
        return all(costs[cost] <= limit for cost, limit in limits.items())


def expand(
    texts: Sequence[str],
    *,
    preset: str | None = None,
    wanted: ModelFilter | None = None,
    on_progress: OnProgress = unheard,
) -> tuple[list[ModelRequest], list[ModelRefusal]]:
    """The models that a user's words name, in order, and those that cannot be had.

    A model that two words name comes once. `on_progress` hears of each model that has to be made
    to know whether it passes the filters.

    Raises:
        PoolError: two models have one name, or nothing is named at all.
        SourceError: a word is no SPEC, or a pattern matches nothing.
    """
    chosen = wanted or ModelFilter()
    found: list[Found] = []
    looking = _Looking(on_progress)
    if preset is not None:
        found += _of_preset(preset, chosen, looking.tell)
    for text in texts:
        found += _expanded(text, chosen, None, looking.tell)
    requests = list(dict.fromkeys(one for one in found if isinstance(one, ModelRequest)))
    requests = _told_apart(requests)
    refusals = list(dict.fromkeys(one for one in found if isinstance(one, ModelRefusal)))
    looking.end(refusals)
    names = [request.name for request in requests]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        faults = [f"two models have the name {name!r}; say NAME=SPEC for one" for name in doubles]
        raise PoolError(*faults)
    if not requests:
        reasons = [f"{refusal.name}: {refusal.reason}" for refusal in refusals]
        raise PoolError("no models: give --model SPEC, or filters that some model passes", *reasons)
    return requests, refusals


class _Looking:
    """Counts the models that were made to know whether they pass the filters."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._n_made = 0

    def tell(self, progress: Progress) -> None:
        self._n_made += 1
        self._on_progress(replace(progress, done=self._n_made))

    def end(self, refusals: Sequence[ModelRefusal]) -> None:
        n, news = self._n_made, "\n".join(refusal.told for refusal in refusals)
        if n or news:
            end = Progress(what=LOOKING, done=n, total=n, unit="models", news=news)
            self._on_progress(end)


def refusal_of(request: ModelRequest, cause: EncasError) -> ModelRefusal:
    """A model that cannot be had, told where its name stands already."""
    return ModelRefusal(name=request.name, reason=cause.told_beside(request.spec))


def name_of(spec: Spec) -> str:
    """The name that a model has where the user gives none: that of what is built, or the file's."""
    if spec.scheme == "onnx":
        return Path(spec.target).stem
    words = [spec.target.rpartition(":")[2]]
    words += [f"{key}={value}" for key, value in spec.arguments.items() if key != "pretrained"]
    return ",".join(words)


def _told_apart(requests: Sequence[ModelRequest]) -> list[ModelRequest]:
    """The requests; of those with one name, the ones that nobody named get more of their SPEC."""
    names = [request.name for request in requests]

    def told(request: ModelRequest) -> ModelRequest:
        spec = parse_spec(request.spec)
        if names.count(request.name) == 1 or request.name != name_of(spec):
            return request
        more = [
            Path(spec.options[key]).stem for key in ("weights", "output") if key in spec.options
        ]
        return replace(request, name=",".join([request.name, *more]))

    return [told(request) for request in requests]


def _expanded(
    text: str, wanted: ModelFilter, base: Path | None, on_progress: OnProgress
) -> Iterator[Found]:
    if text.startswith("@"):
        yield from _of_file(Path(text[1:]), wanted, on_progress)
        return
    named = NAMED.fullmatch(text)
    if named and "?" not in named[1]:
        parse_spec(named[2])
        yield ModelRequest(name=named[1], spec=named[2], base=base)
        return
    spec = parse_spec(text)
    if not IS_GLOB.search(spec.target):
        yield ModelRequest(name=name_of(spec), spec=text, base=base)
    elif spec.scheme == "timm":
        yield from _timm_matches(spec, wanted, on_progress)
    elif spec.scheme == "onnx":
        yield from _file_matches(spec, base)
    else:
        raise SourceError(f"no patterns in {spec.scheme}: models", where=text)


def _of_file(path: Path, wanted: ModelFilter, on_progress: OnProgress) -> Iterator[Found]:
    if not path.is_file():
        raise SourceError("no such file", where=str(path))
    for line in path.read_text("utf-8").splitlines():
        word = line.partition("#")[0].strip()
        if word:
            yield from _expanded(word, wanted, path.resolve().parent, on_progress)


def _timm_matches(spec: Spec, wanted: ModelFilter, on_progress: OnProgress) -> Iterator[Found]:
    from .timm_models import timm_names  # noqa: PLC0415 - timm is optional

    is_pretrained = bool(spec.arguments.get("pretrained", True)) and "weights" not in spec.options
    names = timm_names(spec.target, is_pretrained=is_pretrained, has_tags=wanted.tag is not None)
    _, mark, query = spec.text.partition("?")
    n_found = 0
    for name in names:
        each = replace(spec, text=f"timm:{name}{mark}{query}", target=name)
        for found in _wanted(ModelRequest(name=name_of(each), spec=each.text), wanted, on_progress):
            n_found += 1
            yield found
    if not n_found:
        raise SourceError(
            f"{len(names)} timm models match, none of them passes the filters", where=spec.text
        )


def _wanted(request: ModelRequest, wanted: ModelFilter, on_progress: OnProgress) -> Iterator[Found]:
    """The timm model where it passes the filters, or why it cannot be had."""
    try:
        if wanted.accepts(parse_spec(request.spec), on_progress):
            yield request
    except EncasError as cause:
        yield refusal_of(request, cause)


def _file_matches(spec: Spec, base: Path | None) -> Iterator[ModelRequest]:
    pattern = Path(spec.target)
    root = Path(pattern.anchor) if pattern.is_absolute() else Path()
    relative = str(pattern.relative_to(pattern.anchor)) if pattern.is_absolute() else spec.target
    roots = [root] if pattern.is_absolute() or base is None else [root, base]
    files = next((found for found in (sorted(r.glob(relative)) for r in roots) if found), [])
    if not files:
        raise SourceError("no file matches", where=spec.text)
    _, mark, query = spec.text.partition("?")
    for file in files:
        yield ModelRequest(name=file.stem, spec=f"onnx:{file}{mark}{query}", base=base)


def _of_preset(preset: str, wanted: ModelFilter, on_progress: OnProgress) -> Iterator[Found]:
    if preset not in PRESETS:
        raise PoolError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    text = resources.files(f"{__package__}.presets").joinpath(f"{preset}.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        if not row["timm"]:
            yield ModelRefusal(name=row["paper"], reason=row["note"])
            continue
        query = "" if row["resolution"] == "test" else f"?resolution={row['resolution']}"
        request = ModelRequest(name=row["timm"], spec=f"timm:{row['timm']}{query}")
        yield from _wanted(request, wanted, on_progress)
