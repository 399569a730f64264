"""A Triton ensemble around a cascade: images in, class names out."""

from __future__ import annotations

from collections.abc import Sequence

from ...entries import InputEntry
from ...errors import ServingError
from ...files import json_text
from ...manifest import Manifest
from ..protocol.cascade_tensors import INPUT, LABEL, input_tensors, output_tensors
from ..protocol.model_config import (
    INT64,
    KIND_CPU,
    STRING,
    UINT8,
    Ensemble,
    InstanceGroup,
    ModelConfig,
    Step,
    TensorConfig,
)
from .layouts import CascadeSource, ModelFolder, code
from .onnx_models import Files

IMAGE, CLASS, SAMPLE = "image", "class", "sample"
EMPTY_VERSION = "1/.keep"


def ensemble_folders(source: CascadeSource) -> tuple[ModelFolder, ...]:
    """The models that an ensemble has besides those of its cascade.

    Raises:
        ServingError: the bundle does not know how images become samples.
    """
    manifest, options = source.manifest, source.options
    how = {f"1/{e.name}.preprocessing.json": _preprocessing(e, source) for e in manifest.inputs}
    before, after = f"{source.name}_preprocess", f"{source.name}_postprocess"
    image = _image(source)
    name = TensorConfig(name=CLASS, data_type=STRING, dims=(1,))
    label = TensorConfig(name=LABEL, data_type=INT64, dims=(1,))
    samples, inner = input_tensors(manifest.inputs), _inner_names(manifest)
    outputs = output_tensors(manifest)
    whole = ModelConfig(
        name=f"{source.name}_ensemble",
        platform="ensemble",
        max_batch_size=options.max_batch_size,
        input=(image,),
        output=(*outputs, name),
        ensemble_scheduling=Ensemble(
            step=(
                _step(before, {IMAGE: IMAGE}, inner),
                _step(source.name, inner, {o.name: o.name for o in outputs}),
                _step(after, {LABEL: LABEL}, {CLASS: CLASS}),
            )
        ),
    )
    classes = manifest.classes or tuple(map(str, range(manifest.n_classes)))
    names = {"1/classes.json": json_text(list(classes))}
    return (
        _python_model(source, before, image, samples, {**code("triton_preprocess"), **how}),
        _python_model(source, after, label, (name,), {**code("triton_postprocess"), **names}),
        ModelFolder(config=whole, files={EMPTY_VERSION: "", **source.label_files}),
    )


def _preprocessing(entry: InputEntry, source: CascadeSource) -> str:
    if entry.preprocessing is None:
        raise ServingError(
            f"the bundle does not know how images become samples of {entry.name!r}; an ensemble "
            "needs that",
            where=str(source.folder),
        )
    return json_text(dict(entry.preprocessing))


def _inner_names(manifest: Manifest) -> dict[str, str]:
    """Name of each input of the cascade -> of the ensemble's own tensor: sample, sample_2, ..."""
    return {entry.name: entry.name.replace(INPUT, SAMPLE, 1) for entry in manifest.inputs}


def _image(source: CascadeSource) -> TensorConfig:
    if source.options.image_input == "files":
        return TensorConfig(name=IMAGE, data_type=STRING, dims=(1,))
    return TensorConfig(name=IMAGE, data_type=UINT8, dims=(-1, -1, 3))


def _python_model(
    source: CascadeSource,
    name: str,
    before: TensorConfig,
    after: Sequence[TensorConfig],
    files: Files,
) -> ModelFolder:
    config = ModelConfig(
        name=name,
        backend="python",
        max_batch_size=source.options.max_batch_size,
        input=(before,),
        output=tuple(after),
        instance_group=(InstanceGroup(kind=KIND_CPU, count=source.options.instances),),
    )
    return ModelFolder(config=config, files=files)


def _step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> Step:
    return Step(model_name=model, input_map=inputs, output_map=outputs)
