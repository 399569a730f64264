"""Which class each output of a model is, before any model runs over the data.

A model that names its classes is matched with the data by name. The pool takes the classes of the
first one that does, so that labels alone are mapped where all models agree; a model with them in
another order has its outputs arranged. Models without names are believed to be in the pool's order.
Where no model names its classes and the data have a part of ImageNet's, one model is built to see
whether it has all 1,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...class_names import ClassMatch, ClassNames, is_imagenet, matched_classes
from ...data.data_source import DataSource
from ...data.pixels import pixel_steps, read_pixels
from ...data.preprocessing import Preprocessing
from ...errors import DataError, EncasError
from ...imagenet_names import N_IMAGENET, imagenet_places
from ..models.declared_classes import declared_classes
from ..models.model_requests import ModelRefusal, ModelRequest
from ..models.model_runner import open_runner, preprocessing_of
from ..models.specs import source_model
from .build_options import BuildOptions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuildClasses:
    """The classes of a pool to be.

    Args:
        data: with labels in their order.
        columns: by model, which of its outputs they are, where these are in another order.
        refusals: the models that have other classes.
        notes: what was matched, a line each.
    """

    data: DataSource
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    refusals: tuple[ModelRefusal, ...] = ()
    notes: tuple[str, ...] = ()


def build_classes(
    requests: Sequence[ModelRequest], data: DataSource, options: BuildOptions
) -> BuildClasses:
    """The classes that a pool of these models on these data has.

    A class map (`options.columns`) says it all: nothing is matched then.
    """
    if options.columns is not None:
        return BuildClasses(data=data)
    named = _named(requests)
    if not named:
        return _unnamed(requests, data, options)
    order = next(iter(named.values())).names if len(named) == len(requests) else None
    fitting, refusals = _fitting(named, data)
    if not fitting:
        return BuildClasses(data=data, refusals=refusals)
    known, match = next(iter(fitting.values()))
    if match.relation != "subset" and order is None:
        # Models without names stand beside it, in the order of the data.
        known = data.class_names
        match = matched_classes(known, known)
    target = replace(known, owner="the pool")
    columns: dict[str, tuple[int, ...]] = {}
    notes = [match.note] if match.note else []
    for name, (own, _) in fitting.items():
        try:
            arranged = matched_classes(target, own)
        except DataError as cause:
            refusals = (*refusals, ModelRefusal(name=name, reason="; ".join(cause.faults)))
            continue
        if arranged.is_plain and own.n_classes == target.n_classes:
            continue
        columns[name] = arranged.places
        notes.append(f"{name}: outputs are arranged, {arranged.note}")
    if len(named) < len(requests) and target.names is not None:
        notes.append(_believed(len(requests) - len(named), target))
    return BuildClasses(
        data=data.matched(match), columns=columns, refusals=refusals, notes=tuple(notes)
    )


def _named(requests: Sequence[ModelRequest]) -> dict[str, ClassNames]:
    """The models that name their classes; one that cannot be had is told later."""
    found: dict[str, ClassNames] = {}
    for request in requests:
        try:
            source = source_model(request.spec, base=request.base)
            names = request.classes or declared_classes(source)
        except EncasError:
            continue
        if names is not None:
            owner = f"the model {request.name}"
            found[request.name] = ClassNames(owner=owner, n_classes=len(names), names=names)
    return found


def _fitting(
    named: Mapping[str, ClassNames], data: DataSource
) -> tuple[dict[str, tuple[ClassNames, ClassMatch]], tuple[ModelRefusal, ...]]:
    fitting: dict[str, tuple[ClassNames, ClassMatch]] = {}
    refusals: list[ModelRefusal] = []
    for name, own in named.items():
        try:
            fitting[name] = (own, matched_classes(data.class_names, own))
        except DataError as cause:
            refusals.append(ModelRefusal(name=name, reason="; ".join(cause.faults)))
    return fitting, tuple(refusals)


def _unnamed(
    requests: Sequence[ModelRequest], data: DataSource, options: BuildOptions
) -> BuildClasses:
    if data.classes is None:
        return BuildClasses(data=data)
    own = data.class_names
    if is_imagenet(data.classes) and _n_outputs(requests, data, options) == N_IMAGENET:
        places = imagenet_places(data.classes, numbers=True)
        if places != tuple(range(N_IMAGENET)):
            known = ClassNames(owner="no model", n_classes=N_IMAGENET, names=None)
            match = matched_classes(own, known)
            note = (
                f"no model states class names: their {N_IMAGENET:,} outputs are taken for "
                f"ImageNet's classes, of which {own.owner} has {own.n_classes:,}"
            )
            return BuildClasses(data=data.matched(match), notes=(note,))
    return BuildClasses(data=data, notes=(_believed(len(requests), own),))


def _believed(n_models: int, target: ClassNames) -> str:
    who = "1 model states" if n_models == 1 else f"{n_models} models state"
    return f"{who} no class names: the outputs are taken in the order of {target.owner}"


def _n_outputs(
    requests: Sequence[ModelRequest], data: DataSource, options: BuildOptions
) -> int | None:
    """How many outputs the first model has that can be had; None where none can."""
    if data.n_classes == N_IMAGENET:
        # Whatever has fewer outputs is refused later.
        return N_IMAGENET
    default = Preprocessing.load(options.preprocessing) if options.preprocessing else None
    for request in requests:
        try:
            source = source_model(request.spec, base=request.base)
            steps = preprocessing_of(source, default) if data.is_image else None
            plan = pixel_steps(steps) if steps else None
            runner = open_runner(request.spec, options.settings, base=request.base)
            return int(runner.run(read_pixels(data, plan, 0, 1), steps).shape[-1])
        except Exception:
            # Models are anybody's code, which may raise anything; the build tells it.
            continue
    return None
