"""The Triton models that a cascade consists of, layout by layout: configurations and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...bundle_files import verified_bytes, verified_path
from ...cascade import Cascade
from ...entries import MemberEntry
from ...errors import ServingError
from ...files import json_text
from ...manifest import MANIFEST_FILE, Manifest
from ..protocol.cascade_tensors import (
    INPUT,
    LABEL_FILE,
    PROBABILITIES,
    input_tensors,
    output_tensors,
    thresholds_text,
)
from ..protocol.model_config import (
    KIND_CPU,
    DynamicBatching,
    InstanceGroup,
    ModelConfig,
    StringValue,
)
from ..protocol.names import model_name
from .layout_options import LayoutOptions
from .onnx_models import Files, instances, onnx_model, queue
from .vendoring import model_files

BUNDLE = "1/bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A folder of a model repository.

    Args:
        config: of the model; its name is the folder's.
        files: path in the folder -> content, or the file to copy.
    """

    config: ModelConfig
    files: Files


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeSource:
    """A bundle on its way into a repository.

    Args:
        folder: the bundle.
        manifest: of the bundle.
        cascade: what shall run: the manifest's, perhaps with other thresholds.
        options: what the user chose.
    """

    folder: Path
    manifest: Manifest
    cascade: Cascade
    options: LayoutOptions

    @classmethod
    def read(cls, folder: Path, options: LayoutOptions) -> CascadeSource:
        """A bundle and its cascade with the thresholds of the options.

        Raises:
            ManifestError: the bundle has faults.
            CascadeError: there are too many, too few or impossible thresholds.
        """
        manifest = Manifest.load(folder)
        cascade = manifest.cascade
        if options.thresholds is not None:
            cascade = replace(cascade, thresholds=options.thresholds)
        return cls(folder=folder, manifest=manifest, cascade=cascade, options=options)

    @property
    def name(self) -> str:
        """Of the model."""
        return model_name(self.manifest.name)

    def config(self, *, is_flat: bool = False) -> ModelConfig:
        """Name, tensors and queue of the cascade's model."""
        return ModelConfig(
            name=self.name,
            max_batch_size=self.options.max_batch_size,
            input=input_tensors(self.manifest.inputs),
            output=output_tensors(self.manifest, is_flat=is_flat),
            dynamic_batching=queue(self.options),
        )

    @property
    def label_files(self) -> Files:
        """The class names, where there are any, as Triton's classification reads them."""
        classes = self.manifest.classes
        return {LABEL_FILE: "".join(f"{_line(name)}\n" for name in classes)} if classes else {}


def model_folders(source: CascadeSource) -> tuple[ModelFolder, ...]:
    """The models of a cascade in the layout of its options; not what an ensemble has besides.

    Raises:
        ServingError: the bundle lacks what the layout needs.
        ManifestError: a file is not the one hashed.
    """
    return {"graph": _graph, "bls": _bls, "python": _python}[source.options.core](source)


def _graph(source: CascadeSource) -> tuple[ModelFolder, ...]:
    graph = source.manifest.graph
    if graph is None:
        raise ServingError(
            "the bundle has no cascade.onnx; use the layout bls or python", where=str(source.folder)
        )
    model = verified_bytes(source.folder, graph)
    if source.cascade != source.manifest.cascade:
        from ..protocol.onnx_thresholds import with_thresholds  # noqa: PLC0415 - needs onnx

        model = with_thresholds(model, source.cascade.thresholds, where=graph.file)
    files = {"1/model.onnx": model, **source.label_files}
    config, files = onnx_model(
        source.config(is_flat=True), source.options, files, is_cascade=True
    )  # fmt: skip
    return (ModelFolder(config=config, files=files),)


def _bls(source: CascadeSource) -> tuple[ModelFolder, ...]:
    options, cascade = source.options, source.cascade
    parameters = {
        "members": ",".join(map(model_name, cascade.members)),
        "thresholds": thresholds_text(cascade),
        "confidence": cascade.confidence,
        "combine": cascade.combine,
        **_reads(source.manifest),
        **_buckets(options),
    }
    config = replace(
        source.config(),
        backend="python",
        instance_group=(InstanceGroup(kind=KIND_CPU, count=options.instances),),
        parameters=_strings(parameters),
    )
    folder = ModelFolder(config=config, files={**code("triton_bls"), **source.label_files})
    return (*(_member(source, member) for member in source.manifest.members), folder)


def _member(source: CascadeSource, member: MemberEntry) -> ModelFolder:
    if (member.input, member.output) != (INPUT, PROBABILITIES):
        raise ServingError(
            f"{member.name} has tensors {member.input!r} and {member.output!r}; only the layout "
            "python can run it",
            where=str(source.folder),
        )
    config = ModelConfig(
        name=model_name(member.name),
        max_batch_size=source.options.max_batch_size,
        input=input_tensors((replace(source.manifest.input_of(member), name=INPUT),)),
        output=output_tensors(source.manifest)[:1],
        dynamic_batching=DynamicBatching(),
    )
    files: dict[str, bytes | str | Path] = {"1/model.onnx": verified_bytes(source.folder, member)}
    for entry in member.external:
        files[f"1/{Path(entry.file).name}"] = verified_path(source.folder, entry)
    config, all_files = onnx_model(
        config, source.options, {**files, **source.label_files}, is_cascade=False
    )
    return ModelFolder(config=config, files=all_files)


def _python(source: CascadeSource) -> tuple[ModelFolder, ...]:
    options = source.options
    files: dict[str, bytes | str | Path] = {**code("triton_python"), **source.label_files}
    for member in source.manifest.members:
        for entry in (member, *member.external):
            files[f"{BUNDLE}/{entry.file}"] = verified_path(source.folder, entry)
    files[f"{BUNDLE}/{MANIFEST_FILE}"] = json_text(source.manifest.to_json())
    parameters = {"thresholds": thresholds_text(source.cascade), **_buckets(options)}
    if options.threads is not None:
        parameters["threads"] = str(options.threads)
    config = replace(
        source.config(),
        backend="python",
        instance_group=(instances(options),),
        parameters=_strings(parameters),
    )
    return (ModelFolder(config=config, files=files),)


def code(module: str) -> Files:
    """The files of a model of the Python backend."""
    return {f"1/{path}": text for path, text in model_files(module).items()}


def _reads(manifest: Manifest) -> Mapping[str, str]:
    """The cascade's input that each member reads, where there are several."""
    if not manifest.further_inputs:
        return {}
    return {"reads": ",".join(member.reads for member in manifest.members)}


def _buckets(options: LayoutOptions) -> Mapping[str, str]:
    """On a GPU each new batch size costs a plan, so that calls are padded to a few sizes."""
    if options.target == "cpu":
        return {}
    return {"buckets": ",".join(map(str, options.buckets))}


def _strings(parameters: Mapping[str, str]) -> Mapping[str, StringValue]:
    return {key: StringValue(string_value=text) for key, text in parameters.items()}


def _line(text: str) -> str:
    return " ".join(text.split())
