"""A Triton ensemble around a cascade: images in, class names out."""

from __future__ import annotations

from ...errors import ServingError
from ...files import json_text
from ..protocol.cascade_tensors import INPUT, LABEL, output_tensors
from ..protocol.model_config import (
    INT64,
    KIND_CPU,
    STRING,
    TYPES,
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
    if manifest.preprocessing is None:
        raise ServingError(
            "the bundle does not know how images become samples; an ensemble needs that",
            where=str(source.folder),
        )
    before, after = f"{source.name}_preprocess", f"{source.name}_postprocess"
    image = _image(source)
    name = TensorConfig(name=CLASS, data_type=STRING, dims=(1,))
    label = TensorConfig(name=LABEL, data_type=INT64, dims=(1,))
    sample = TensorConfig(
        name=INPUT, data_type=TYPES[manifest.input_dtype], dims=manifest.input_shape
    )
    outputs = output_tensors(manifest)
    whole = ModelConfig(
        name=f"{source.name}_ensemble",
        platform="ensemble",
        max_batch_size=options.max_batch_size,
        input=(image,),
        output=(*outputs, name),
        ensemble_scheduling=Ensemble(
            step=(
                _step(before, {IMAGE: IMAGE}, {INPUT: SAMPLE}),
                _step(source.name, {INPUT: SAMPLE}, {o.name: o.name for o in outputs}),
                _step(after, {LABEL: LABEL}, {CLASS: CLASS}),
            )
        ),
    )
    classes = manifest.classes or tuple(map(str, range(manifest.n_classes)))
    how = {"1/preprocessing.json": json_text(dict(manifest.preprocessing))}
    names = {"1/classes.json": json_text(list(classes))}
    return (
        _python_model(source, before, image, sample, {**code("triton_preprocess"), **how}),
        _python_model(source, after, label, name, {**code("triton_postprocess"), **names}),
        ModelFolder(config=whole, files={EMPTY_VERSION: "", **source.label_files}),
    )


def _image(source: CascadeSource) -> TensorConfig:
    if source.options.image_input == "files":
        return TensorConfig(name=IMAGE, data_type=STRING, dims=(1,))
    return TensorConfig(name=IMAGE, data_type=UINT8, dims=(-1, -1, 3))


def _python_model(
    source: CascadeSource, name: str, before: TensorConfig, after: TensorConfig, files: Files
) -> ModelFolder:
    config = ModelConfig(
        name=name,
        backend="python",
        max_batch_size=source.options.max_batch_size,
        input=(before,),
        output=(after,),
        instance_group=(InstanceGroup(kind=KIND_CPU, count=source.options.instances),),
    )
    return ModelFolder(config=config, files=files)


def _step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> Step:
    return Step(model_name=model, input_map=inputs, output_map=outputs)
