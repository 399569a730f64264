"""One model over all samples: the unit of work of a pool build, wherever it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.pixels import PixelRows, SampleReference
from ...data.preprocessing import Preprocessing
from ...data.samples import random_like
from ...errors import EncasError, SourceError
from ..model import Kind
from ..models.model_runner import ModelRunner, open_runner
from ..models.run_settings import RunSettings
from .output_kind import OutputKind

# How many bytes of activations a batch may have. On a CPU, for each thread, they should be about
# as many as its caches hold (measured on mobile and residual networks, transformers, ConvNeXt);
# what a machine has free must not matter, or two machines would store different bytes.
BATCH_BYTES = {"cpu": 2**25, "cuda": 2**33, "tensorrt": 2**33}
MAX_BATCH = {"cpu": 64, "cuda": 512, "tensorrt": 512}
DEFAULT_BATCH = 32
# Samples that are too few to tell probabilities from logits by their values.
FEW = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """One model to be run over all samples.

    Args:
        name: of the model in the pool.
        spec: of the model.
        base: the folder that the SPEC's paths are relative to.
        preprocessing: what makes samples of pixels; None where the data are samples.
        n_classes: how many outputs are wanted.
        columns: which of the model's outputs these are, in order; None: it has no others.
        settings: how models run.
        samples: where they are.
    """

    name: str
    spec: str
    base: Path | None
    preprocessing: Preprocessing | None
    n_classes: int
    columns: tuple[int, ...] | None
    settings: RunSettings
    samples: SampleReference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuildAnswer:
    """What came of a job.

    Args:
        name: of the model.
        outputs: float32 [n_samples, n_classes]; None where the job failed.
        kind: "logits" or "probabilities".
        costs: macs, params and memory_bytes, as far as they can be counted.
        cost_fault: why they cannot be counted, "" where they can.
        doubts: what a user should know of the outputs, one sentence each.
        batch_size: samples at once.
        seconds: from the model's file to its last output.
        fault: why the job failed, "" where it did not.
    """

    name: str
    outputs: NDArray[Any] | None = None
    kind: Kind = "logits"
    costs: Mapping[str, float] = field(default_factory=dict[str, float])
    cost_fault: str = ""
    doubts: tuple[str, ...] = ()
    batch_size: int = 0
    seconds: float = 0.0
    fault: str = ""


def attempt(job: BuildJob, samples: PixelRows | None = None) -> BuildAnswer:
    """Runs a job to its end; see `attempt_steps`."""
    steps = attempt_steps(job, samples)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def attempt_steps(
    job: BuildJob, samples: PixelRows | None = None
) -> Generator[int, None, BuildAnswer]:
    """Runs a job batch by batch; whatever a model does wrong is told in the answer.

    Yields how many samples were done since the last time; negative where a batch was too large
    and the model starts again.

    Args:
        job: the job.
        samples: where they are open already.
    """
    try:
        return (yield from _evaluated(job, samples))
    except EncasError as cause:
        return BuildAnswer(name=job.name, fault=cause.told_beside(job.spec))
    except Exception as cause:
        # Models are anybody's code, which may raise anything.
        lines = str(cause).strip().splitlines() or [""]
        return BuildAnswer(name=job.name, fault=f"{type(cause).__name__}: {lines[0]}")


def is_out_of_memory(cause: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a CPU or a GPU."""
    text = f"{type(cause).__name__}: {cause}".lower()
    signs = ("out of memory", "outofmemory", "failed to allocate", "can't allocate", "bad_alloc")
    return isinstance(cause, MemoryError) or any(sign in text for sign in signs)


def batch_size_for(memory_bytes: float, weight_bytes: float, settings: RunSettings) -> int:
    """The largest power of two of samples whose activations stay within the device's bytes."""
    kind = settings.device.partition(":")[0]
    n_bytes = BATCH_BYTES[kind] * (settings.n_threads if kind == "cpu" else 1)
    per_sample = max(1.0, memory_bytes - weight_bytes)
    fitting = max(1.0, n_bytes / per_sample)
    return min(MAX_BATCH[kind], 2 ** int(math.log2(fitting)))


def _evaluated(job: BuildJob, samples: PixelRows | None) -> Generator[int, None, BuildAnswer]:
    start = time.perf_counter()
    samples = job.samples.open(n_threads=job.settings.n_threads) if samples is None else samples
    runner = open_runner(job.spec, job.settings, base=job.base)
    first = samples[0:1]
    sample = first if job.preprocessing is None else job.preprocessing.normalised(first)
    costs, fault = _costs(runner, sample)
    batch_size = runner.frozen_batch or job.settings.batch_size or _batch_size(costs, job)
    outputs, batch_size, given = yield from _outputs(job, runner, samples, batch_size)
    kind = _kind(job, runner, given, samples)
    return BuildAnswer(
        name=job.name,
        outputs=_normalised(outputs, job, given) if kind == "probabilities" else outputs,
        kind=kind,
        costs=costs,
        cost_fault=fault,
        doubts=(*given.doubts(), *(job.preprocessing.doubts() if job.preprocessing else ())),
        batch_size=batch_size,
        seconds=time.perf_counter() - start,
    )


def _costs(runner: ModelRunner, sample: NDArray[Any]) -> tuple[Mapping[str, float], str]:
    try:
        return runner.costs(sample), ""
    except SourceError as cause:
        return {}, str(cause)


def _batch_size(costs: Mapping[str, float], job: BuildJob) -> int:
    if not costs:
        return DEFAULT_BATCH
    # 4 bytes for each weight: the costs are counted in float32.
    return batch_size_for(costs["memory_bytes"], 4 * costs["params"], job.settings)


def _outputs(
    job: BuildJob, runner: ModelRunner, samples: PixelRows, batch_size: int
) -> Generator[int, None, tuple[NDArray[Any], int, OutputKind]]:
    """All outputs, with half the batch size whenever memory runs out; and what they look like."""
    while True:
        done, given = 0, OutputKind(stated=runner.kind)
        try:
            outputs = np.empty((len(samples), job.n_classes), np.float32)
            for start in range(0, len(samples), batch_size):
                batch = np.asarray(samples[start : start + batch_size])
                answers = _answers(runner, batch, job)
                given.add(answers)
                outputs[start : start + batch_size] = _wanted(answers, job)
                done += len(batch)
                yield len(batch)
        except Exception as cause:
            if not is_out_of_memory(cause) or batch_size == 1 or runner.frozen_batch:
                raise
            yield -done
            batch_size //= 2
        else:
            return outputs, batch_size, given


def _answers(runner: ModelRunner, batch: NDArray[Any], job: BuildJob) -> NDArray[Any]:
    outputs = runner.run(batch, job.preprocessing)
    if outputs.ndim != 2 or len(outputs) != len(batch):
        shape = list(outputs.shape)
        raise SourceError(f"expected outputs [{len(batch)}, n_classes], got {shape}")
    return outputs


def _wanted(outputs: NDArray[Any], job: BuildJob) -> NDArray[Any]:
    """The outputs [n, n_classes] of the data's classes."""
    if job.columns is not None and outputs.shape[1] > max(job.columns):
        return outputs[:, list(job.columns)]
    if outputs.shape[1] != job.n_classes:
        raise SourceError(
            f"gives {outputs.shape[1]} classes, the data have {job.n_classes}; say which outputs "
            "belong to the data's classes with --class-map"
        )
    return outputs


def _normalised(chosen: NDArray[Any], job: BuildJob, given: OutputKind) -> NDArray[Any]:
    """Probabilities of some of a model's classes, made to sum to 1."""
    if job.columns is None or given.n_classes <= max(job.columns):
        return chosen
    return chosen / chosen.sum(axis=1, keepdims=True)


def _kind(job: BuildJob, runner: ModelRunner, given: OutputKind, samples: PixelRows) -> Kind:
    """What the outputs are; of few samples alone, logits might sum to 1 by chance."""
    if given.stated is None and given.looks_like_probabilities and len(samples) < FEW:
        n = runner.frozen_batch or FEW
        given.add(_answers(runner, random_like(np.asarray(samples[0:1]), n), job))
    return given.found
