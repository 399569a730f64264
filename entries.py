"""The records that a manifest holds: files, members, expectations, measured times, proofs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .latency import Setting, Timing

# The name of the first member's input; further ones are input_2, input_3, ...
INPUT = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of the bundle: relative path, SHA-256 and size in bytes."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEntry(FileEntry):
    """The whole cascade as one ONNX file, and the files with weights too large for it."""

    external: tuple[FileEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEntry:
    """One input of a cascade: samples as one preprocessing makes them.

    Args:
        name: "input" for that of the first member, "input_2", ... for others.
        dtype: of a sample.
        shape: of a sample.
        preprocessing: how an image file becomes a sample; None where samples come ready.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    preprocessing: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberEntry(FileEntry):
    """One member: its ONNX file, tensor names, and costs per sample (None where unknown).

    Args:
        external: the files beside the ONNX file that hold weights too large for it.
        precision: of the weights and the arithmetic.
        exporter: what made the ONNX file: "dynamo", "legacy", or "onnx" for one that was given.
        source: the SPEC that the member came from.
        temperature: what the logits were divided by before the softmax in the file.
        reads: which of the cascade's inputs it takes.
    """

    name: str
    input: str = "input"
    output: str = "probabilities"
    macs: float | None = None
    params: float | None = None
    precision: str = "float32"
    exporter: str = "unknown"
    source: str = ""
    temperature: float = 1.0
    external: tuple[FileEntry, ...] = ()
    reads: str = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a cascade is expected to do on a split: accuracy with its 95 % Wilson interval and n.

    `cost` is in the unit of `objective`, per sample (latency: ms per batch of `batch_size`).
    """

    split: str
    n_samples: int
    accuracy: float
    interval: tuple[float, float]
    cost: float
    objective: str
    reach: tuple[float, ...]
    batch_size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A measured time of the composed cascade, beside the prediction for the same samples.

    Args:
        setting: where and how it was measured.
        timing: the times of single batches.
        mean_ms: mean over the batches of the median of each one's times; what `predicted_ms`
            predicts.
        predicted_ms: sum_j L_j(reach_j * batch_size) + gates, None where members were not timed.
        reach: share of the timed samples that ran each member.
        data: the DATA that the samples came from; "random" for random input.
    """

    setting: Setting
    timing: Timing
    mean_ms: float
    predicted_ms: float | None
    reach: tuple[float, ...]
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One sample on which the bundle decides otherwise than expected.

    `margin` is the distance of the expected confidence from the threshold where they part; where
    the stages agree, the distance of the two largest probabilities of the expected answer.
    """

    sample: int
    stage: int
    expected_stage: int
    label: int
    expected_label: int
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberProof:
    """How far one member's probabilities are from those of the model that it was made of.

    Args:
        name: the member.
        max_difference: the largest difference of a probability, over all samples and batches.
        tolerance: the largest difference that was allowed.
        n_samples: how many samples were compared.
        n_top1_flips: samples where the largest probability is another class's.
        batch_sizes: the sizes of the batches that were tried.
        on_data: whether the samples were data, or random numbers.
    """

    name: str
    max_difference: float
    tolerance: float
    n_samples: int
    n_top1_flips: int
    batch_sizes: tuple[int, ...]
    on_data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The verdict on decisions, sample by sample: every flip, and whether it is explained.

    Args:
        subject: what decided: "executor" or "graph".
        against: what was expected, for people.
        n_samples: how many samples were compared.
        margin: a flip whose own margin is at most this is explained by rounding.
        flips: every sample whose label or stage differs.
    """

    subject: str
    against: str
    n_samples: int
    margin: float
    flips: tuple[Flip, ...] = ()

    @property
    def unexplained(self) -> Sequence[Flip]:
        """The flips that rounding does not explain."""
        return [flip for flip in self.flips if not flip.margin <= self.margin]

    @property
    def n_label_flips(self) -> int:
        """How many labels differ."""
        return sum(flip.label != flip.expected_label for flip in self.flips)

    @property
    def n_stage_flips(self) -> int:
        """How many exit stages differ."""
        return sum(flip.stage != flip.expected_stage for flip in self.flips)
