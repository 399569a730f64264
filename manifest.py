"""The manifest of a bundle: which members run, in which order, and what was proven of them.

A manifest is a value. `Manifest.load` reads `manifest.json`, refusing unknown keys and paths that
lead out of the bundle; bundle_files.py gives a file only after its size and hash agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

from .cascade import Cascade, Combine, Confidence
from .class_names import ClassNames
from .entries import (
    INPUT,
    Expected,
    FileEntry,
    Flip,
    GraphEntry,
    InputEntry,
    Latency,
    MemberEntry,
    MemberProof,
    Proof,
)
from .errors import CascadeError, ManifestError
from .files import inside, json_text, read_json, write_atomically
from .latency import Setting, Timing
from .schema import check

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 64 * 2**20
MAX_SAMPLE_VALUES = 2**28


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything a runtime needs to know of a bundle.

    Args:
        name: the bundle's name.
        cascade: what runs, by the members' names.
        members: an entry for each member of the cascade, in stage order.
        input_shape: of one sample as the first member takes it.
        n_classes: length of a probability row.
        input_dtype: of such a sample.
        preprocessing: how an image file becomes one; None where samples come ready.
        further_inputs: of members that take the same samples with other preprocessings.
        classes: class names by label, or None.
        splits: name of a split -> its number of samples.
        numerics: how far each member is from the model that it was made of.
        proof: the verdicts on decisions.
        graph: the whole cascade as one ONNX file, where it was made.
        reference: the decisions expected on the data of the proof (reference.py), where there
            was data.

    Raises:
        ManifestError: names every fault of the values above.
    """

    name: str
    cascade: Cascade
    members: tuple[MemberEntry, ...]
    input_shape: tuple[int, ...]
    n_classes: int
    input_dtype: str = "float32"
    preprocessing: Mapping[str, Any] | None = None
    further_inputs: tuple[InputEntry, ...] = ()
    classes: tuple[str, ...] | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    expected: tuple[Expected, ...] = ()
    latencies: tuple[Latency, ...] = ()
    numerics: tuple[MemberProof, ...] = ()
    proof: tuple[Proof, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    graph: GraphEntry | None = None
    reference: FileEntry | None = None

    def __post_init__(self) -> None:
        names = tuple(member.name for member in self.members)
        faults = []
        if names != self.cascade.members:
            faults.append(f"stages run {self.cascade.members}, but the members are {names}")
        if self.classes is not None and len(self.classes) != self.n_classes:
            faults.append(f"{self.n_classes} classes need as many names, got {len(self.classes)}")
        faults += [
            f"a sample has at most {MAX_SAMPLE_VALUES} values, got {entry.shape}"
            for entry in self.inputs
            if prod(entry.shape) > MAX_SAMPLE_VALUES
        ]
        faults += _reading_faults([entry.name for entry in self.inputs], self.members)
        paths = [entry.file for entry in self.files]
        faults += [
            f"{path} is listed twice" for path in sorted(set(paths)) if paths.count(path) > 1
        ]
        if faults:
            raise ManifestError(*faults, where="manifest")

    @property
    def class_names(self) -> ClassNames:
        """The classes, as they meet others."""
        return ClassNames(owner=f"bundle {self.name}", n_classes=self.n_classes, names=self.classes)

    @property
    def inputs(self) -> tuple[InputEntry, ...]:
        """What the cascade takes: the first member's input, then the further ones."""
        first = InputEntry(
            name=INPUT,
            dtype=self.input_dtype,
            shape=self.input_shape,
            preprocessing=self.preprocessing,
        )
        return (first, *self.further_inputs)

    def input_of(self, member: MemberEntry) -> InputEntry:
        """The input that a member reads."""
        return next(entry for entry in self.inputs if entry.name == member.reads)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Every file that the bundle consists of, besides the manifest."""
        external = (entry for member in self.members for entry in member.external)
        graph = (self.graph, *self.graph.external) if self.graph else ()
        reference = (self.reference,) if self.reference else ()
        return (*self.members, *external, *graph, *reference)

    def with_latency(self, latency: Latency) -> Manifest:
        """This manifest with a measured time added; it replaces an older one of its kind."""

        def kind(item: Latency) -> tuple[object, ...]:
            return (item.setting, item.timing.name, item.timing.batch_size, item.data)

        others = (item for item in self.latencies if kind(item) != kind(latency))
        return replace(self, latencies=(*others, latency))

    def to_json(self) -> dict[str, Any]:
        """The manifest as a JSON object of the format `encas.bundle`, version 1."""
        thresholds = (*self.cascade.thresholds, None)
        content: dict[str, Any] = {
            "format": "encas.bundle",
            "version": 1,
            "name": self.name,
            "input": {"dtype": self.input_dtype, "shape": list(self.input_shape)},
            "n_classes": self.n_classes,
            "members": [asdict(member) for member in self.members],
            "stages": [
                {"member": member, "threshold": threshold}
                for member, threshold in zip(self.cascade.members, thresholds, strict=True)
            ],
            "confidence": self.cascade.confidence,
            "combine": self.cascade.combine,
            "preprocessing": dict(self.preprocessing) if self.preprocessing else None,
            "further_inputs": [asdict(entry) for entry in self.further_inputs],
            "classes": list(self.classes) if self.classes else None,
            "splits": dict(self.splits),
            "expected": [asdict(expected) for expected in self.expected],
            "latencies": [asdict(latency) for latency in self.latencies],
            "numerics": [asdict(numerics) for numerics in self.numerics],
            "proof": [asdict(proof) for proof in self.proof],
            "provenance": dict(self.provenance),
            "graph": asdict(self.graph) if self.graph else None,
            "reference": asdict(self.reference) if self.reference else None,
        }
        return _plain(content)

    def save(self, bundle: str | Path) -> None:
        """Writes `manifest.json` into the folder `bundle`, atomically."""
        write_atomically(Path(bundle) / MANIFEST_FILE, json_text(self.to_json()))

    @classmethod
    def load(cls, bundle: str | Path) -> Manifest:
        """Reads the manifest of the folder `bundle`; no other file is opened.

        Raises:
            ManifestError: the manifest is missing, has faults, or names a path outside.
        """
        folder = Path(bundle)
        path = folder / MANIFEST_FILE
        content: Any = read_json(path, error=ManifestError, max_bytes=MAX_MANIFEST_BYTES)
        check(content, "manifest", error=ManifestError, where=str(path))
        try:
            manifest = _manifest_of(content)
            for entry in manifest.files:
                inside(folder, entry.file, error=ManifestError)
        except (CascadeError, ManifestError) as cause:
            raise ManifestError(*cause.faults, where=str(path)) from cause
        return manifest


def _reading_faults(inputs: list[str], members: Sequence[MemberEntry]) -> list[str]:
    reads = [member.reads for member in members]
    faults = [f"the input {name} comes twice" for name in set(inputs) if inputs.count(name) > 1]
    faults += [f"a member reads {name}, which is no input" for name in set(reads) - set(inputs)]
    faults += [f"no member reads the input {name}" for name in set(inputs) - {INPUT, *reads}]
    if reads[:1] not in ([], [INPUT]):
        faults.append(f"the first member reads {INPUT}, got {reads[0]}")
    return sorted(faults)


def _manifest_of(content: Mapping[str, Any]) -> Manifest:
    stages = content["stages"]
    thresholds = [stage["threshold"] for stage in stages]
    if None in thresholds[:-1] or thresholds[-1] is not None:
        raise ManifestError("every stage but the last needs a threshold, and the last has none")
    confidence: Confidence = content["confidence"]
    combine: Combine = content["combine"]
    return Manifest(
        name=content["name"],
        cascade=Cascade(
            members=tuple(stage["member"] for stage in stages),
            thresholds=tuple(thresholds[:-1]),
            confidence=confidence,
            combine=combine,
        ),
        members=tuple(MemberEntry(**_with_external(member)) for member in content["members"]),
        input_shape=tuple(content["input"]["shape"]),
        input_dtype=content["input"]["dtype"],
        n_classes=content["n_classes"],
        preprocessing=content["preprocessing"],
        further_inputs=tuple(
            InputEntry(**(_tuples(item) | {"preprocessing": item["preprocessing"]}))
            for item in content.get("further_inputs", ())
        ),
        classes=tuple(content["classes"]) if content["classes"] else None,
        splits=content["splits"],
        expected=tuple(Expected(**_tuples(item)) for item in content["expected"]),
        latencies=tuple(_latency_of(item) for item in content["latencies"]),
        numerics=tuple(MemberProof(**_tuples(item)) for item in content["numerics"]),
        proof=tuple(_proof_of(item) for item in content["proof"]),
        provenance=content["provenance"],
        graph=GraphEntry(**_with_external(content["graph"])) if content["graph"] else None,
        reference=FileEntry(**content["reference"]) if content["reference"] else None,
    )


def _with_external(item: Mapping[str, Any]) -> dict[str, Any]:
    external = tuple(FileEntry(**entry) for entry in item.get("external", ()))
    return {**item, "external": external}


def _latency_of(item: Mapping[str, Any]) -> Latency:
    records = _tuples(item)
    records["setting"] = Setting(**item["setting"])
    records["timing"] = Timing(**_tuples(item["timing"]))
    return Latency(**records)


def _proof_of(item: Mapping[str, Any]) -> Proof:
    records: dict[str, Any] = dict(item)
    records["flips"] = tuple(Flip(**flip) for flip in item["flips"])
    return Proof(**records)


def _tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
