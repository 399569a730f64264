"""Writes a bundle: exports every member, proves it, proves the decisions, or leaves nothing.

BUNDLE/manifest.json, members/NAME.onnx, cascade.onnx (optional), reference.npy (with data)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from ..bundle_files import file_entry
from ..cascade import Cascade
from ..entries import GraphEntry, InputEntry, MemberEntry, MemberProof
from ..errors import ExportError
from ..files import new_folder
from ..manifest import Manifest
from ..progress import OnProgress, Progress, unheard
from ..reference import Reference
from ..runtime.executor import Predictor, Runner
from ..runtime.loading import open_graph, open_members
from ..runtime.ort_session import OrtSession
from ..runtime.predicting import predict
from ..version import __version__
from .bundle_options import (
    DEFAULT_DESCRIPTION,
    DEFAULT_OPTIONS,
    BundleDescription,
    BundleOptions,
)
from .graph import WeightPlace, cascade_graph
from .member_input import SampleType
from .member_proofs import proof_of
from .member_views import Member, Views, input_samples, only, preprocessing_json, views_of
from .onnx_export import ExportedModel, export_member
from .onnx_model import load_model, save_model
from .proofs import (
    Evidence,
    dataset_digests,
    margin_of,
    prove_decisions,
    random_evidence,
    require,
)

GRAPH_FILE = "cascade.onnx"
REFERENCE_FILE = "reference.npy"
VERSIONED = ("numpy", "onnx", "onnxruntime", "onnxscript", "torch")


def write_bundle(
    path: Path,
    cascade: Cascade,
    members: Sequence[Member],
    *,
    evidence: Evidence | None = None,
    description: BundleDescription = DEFAULT_DESCRIPTION,
    options: BundleOptions = DEFAULT_OPTIONS,
    on_progress: OnProgress = unheard,
) -> Manifest:
    """Exports a cascade as the folder `path`; it is there proven, or not at all.

    Args:
        path: the bundle to be.
        cascade: what runs.
        members: in stage order.
        evidence: data and the outputs that the search believed in; without, the members are
            proven on random input and the decisions of the executor are not.
        description: what the manifest tells besides.
        options: how it is made.
        on_progress: hears of each member and proof.

    Raises:
        ExportError: `path` exists, the members do not fit together, one cannot be exported, or a
            proof failed.
    """
    if tuple(member.name for member in members) != cascade.members:
        raise ExportError(f"expected the members {', '.join(cascade.members)}")
    views = views_of(members)
    samples = input_samples(members, views, evidence.dataset if evidence else None)
    if evidence:
        dtypes = {name: one.dtype for name, one in samples.items()}
        evidence = replace(evidence, dataset=evidence.dataset.as_types(dtypes))
    n_steps = 2 * len(members) + (1 if evidence else 0) + (2 if options.graph else 0)
    steps = _Steps(f"exporting {path.name}", n_steps, on_progress)
    with new_folder(path, error=ExportError, overwrite=options.overwrite) as folder:
        made = [
            _export(folder, j, member, samples[reads], reads, evidence, options, steps)
            for j, (member, reads) in enumerate(zip(members, views.reads, strict=True), start=1)
        ]
        first, *further = _inputs(views, samples)
        manifest = Manifest(
            name=description.name,
            cascade=cascade,
            members=tuple(one.entry for one in made),
            input_shape=first.shape,
            input_dtype=first.dtype,
            preprocessing=first.preprocessing,
            further_inputs=tuple(further),
            n_classes=only({one.n_classes for one in made}, "numbers of classes"),
            classes=description.classes,
            splits=description.splits,
            expected=description.expected,
            numerics=tuple(one.proof for one in made),
            provenance={**description.provenance, **_versions()},
        )
        manifest = _completed(folder, manifest, evidence, options, steps)
        manifest.save(folder)
    steps.end()
    return manifest


class _Steps:
    """Tells which step begins, and how many are done."""

    def __init__(self, what: str, total: int, on_progress: OnProgress) -> None:
        self._progress = Progress(what=what, total=total, unit="steps")
        self._on_progress = on_progress
        self._n_begun = 0

    def begin(self, text: str) -> None:
        self._on_progress(replace(self._progress, done=self._n_begun, text=text))
        self._n_begun += 1

    def end(self) -> None:
        self._on_progress(replace(self._progress, done=self._n_begun))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    entry: MemberEntry
    proof: MemberProof
    n_classes: int


def _inputs(views: Views, samples: Mapping[str, SampleType]) -> list[InputEntry]:
    return [
        InputEntry(
            name=name,
            dtype=samples[name].dtype,
            shape=samples[name].shape,
            preprocessing=preprocessing_json(preprocessing),
        )
        for name, preprocessing in views.preprocessings.items()
    ]


def _export(  # noqa: PLR0913, PLR0917 - a step of `write_bundle`
    folder: Path,
    j: int,
    member: Member,
    samples: SampleType,
    reads: str,
    evidence: Evidence | None,
    options: BundleOptions,
    steps: _Steps,
) -> _Made:
    steps.begin(f"exporting {member.name}")
    exported = export_member(
        member.source,
        input_shape=samples.shape,
        input_dtype=samples.dtype,
        temperature=member.temperature,
        exporter=options.exporter,
    )
    file = f"members/{_file_name(j, member.name)}.onnx"
    external = save_model(exported.model, folder / file, inline_limit=options.inline_limit)
    session = OrtSession(
        folder / file,
        name=member.name,
        input_shape=samples.shape,
        n_classes=exported.n_classes,
        placement=options.placement,
        reads=reads,
    )
    steps.begin(f"proving {member.name}")
    return _Made(
        entry=replace(_entry(folder, file, external, member, exported), reads=reads),
        proof=proof_of(exported, session, evidence, j - 1),
        n_classes=exported.n_classes,
    )


def _entry(
    folder: Path,
    file: str,
    external: Sequence[str],
    member: Member,
    exported: ExportedModel,
) -> MemberEntry:
    return MemberEntry(
        **asdict(file_entry(folder, file)),
        name=member.name,
        macs=member.macs,
        params=member.params,
        precision=exported.precision,
        exporter=exported.exporter,
        source=member.source.spec,
        temperature=member.temperature,
        external=tuple(file_entry(folder, f"members/{name}") for name in external),
    )


def _completed(
    folder: Path,
    manifest: Manifest,
    evidence: Evidence | None,
    options: BundleOptions,
    steps: _Steps,
) -> Manifest:
    tried = evidence or random_evidence(open_members(folder, manifest, options.placement))
    digest = dataset_digests(tried.dataset)
    reference = Reference.of(manifest.cascade, tried.outputs, digest)
    if evidence:
        steps.begin("proving the executor's decisions")
        manifest = _with_decisions(folder, manifest, evidence, reference, options)
    if options.graph:
        steps.begin("joining the members into one graph")
        manifest = _with_graph(folder, manifest, options.graph, options.inline_limit)
        steps.begin("proving the graph's decisions")
        graph = open_graph(folder, manifest, options.placement, is_warmed=False)
        manifest = _with_proof(manifest, graph, "graph", tried, reference, options)
    return manifest


def _with_decisions(
    folder: Path,
    manifest: Manifest,
    evidence: Evidence,
    reference: Reference,
    options: BundleOptions,
) -> Manifest:
    runner = Runner(manifest.cascade, open_members(folder, manifest, options.placement))
    manifest = _with_proof(manifest, runner, "executor", evidence, reference, options)
    reference.save(folder / REFERENCE_FILE)
    return replace(manifest, reference=file_entry(folder, REFERENCE_FILE))


def _with_graph(
    folder: Path, manifest: Manifest, weights: WeightPlace, inline_limit: int
) -> Manifest:
    models = [load_model(folder / member.file) for member in manifest.members]
    graph = cascade_graph(
        manifest.cascade,
        models,
        n_classes=manifest.n_classes,
        weights=weights,
        name=manifest.name,
        reads=[member.reads for member in manifest.members],
    )
    external = save_model(graph, folder / GRAPH_FILE, inline_limit=inline_limit)
    entry = GraphEntry(
        **asdict(file_entry(folder, GRAPH_FILE)),
        external=tuple(file_entry(folder, name) for name in external),
    )
    return replace(manifest, graph=entry)


def _with_proof(
    manifest: Manifest,
    predictor: Predictor,
    subject: str,
    evidence: Evidence,
    reference: Reference,
    options: BundleOptions,
) -> Manifest:
    proof = prove_decisions(
        predict(predictor, evidence.dataset),
        manifest.cascade,
        np.arange(evidence.dataset.n_samples, dtype=np.int64),
        reference,
        subject=subject,
        against=evidence.against,
        margin=margin_of(manifest, evidence.margin, options.placement.device),
    )
    return replace(manifest, proof=(*manifest.proof, require(proof)))


def _file_name(j: int, name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80]
    return f"{j}-{plain or 'member'}"


def _versions() -> dict[str, str]:
    installed = {dist.name.lower() for dist in metadata.distributions() if dist.name}
    present = [name for name in VERSIONED if name in installed]
    return {"encas": __version__, **{name: metadata.version(name) for name in present}}
