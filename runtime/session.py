"""What the executor needs of a model that runs somewhere: the `Session` protocol.

A session holds samples where it runs, makes batches of some of their rows there, and runs them:
on a CPU these are arrays, on a GPU nothing comes back to the host but probabilities.

`FakeSession` answers from stored outputs instead of running a model: it holds the executor
against the evaluation, and stands in for a model in anybody's tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..data.samples import ArraySamples, Batch, Samples
from ..entries import INPUT
from ..errors import SessionError
from ..latency import Setting

if TYPE_CHECKING:
    from ..data.raw_images import ImageReader, RawImages

NO_DEVICE = Setting(device="none", device_name="", provider="stored", n_threads=0, versions={})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """What a session takes and gives, and where it runs.

    Args:
        name: the member's name.
        input_shape: of one sample.
        input_dtype: of the input, for example "float32".
        n_classes: length of a probability row.
        setting: device, provider, threads and versions.
        sha256: of the model file, "" where there is none.
        reads: which of the cascade's inputs the samples are.
    """

    name: str
    input_shape: tuple[int, ...]
    input_dtype: str
    n_classes: int
    setting: Setting
    sha256: str = ""
    reads: str = INPUT


class Held(Protocol):
    """Samples that lie where a session runs."""

    def take(self, rows: IntArray, size: int) -> Any:
        """A batch of the rows [m], with anything behind them up to `size` rows.

        It is for `Session.run`, and good until the next one is taken or the samples are released.
        """
        ...

    def release(self) -> None:
        """Gives the memory back; to be called once, when no batch is needed any more."""
        ...


class Session(Protocol):
    """A member, ready to run."""

    @property
    def info(self) -> SessionInfo:
        """What the session takes and gives, and where it runs."""
        ...

    def hold(self, x: NDArray[Any]) -> Held:
        """Puts samples [n, *input_shape] where the session runs.

        Every other session that reads the same input on the same device can run batches of them.
        """
        ...

    def run(self, batch: Any) -> FloatArray:
        """Probabilities [n, n_classes] of a batch: an array [n, *input_shape], or one taken.

        Threads may call it at the same time.
        """
        ...

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """Runs a batch of each size, so that no later call pays for the first one."""
        ...


class HostSamples:
    """Samples [n, ...] in the memory of this process."""

    def __init__(self, x: NDArray[Any]) -> None:
        self._x = x

    def take(self, rows: IntArray, size: int) -> NDArray[Any]:
        """See `Held.take`: rows of zeros stand behind; all rows are not copied."""
        batch = self._x if len(rows) == len(self._x) else self._x[rows]
        if len(batch) == size:
            return batch
        padded = np.zeros((size, *batch.shape[1:]), batch.dtype)
        padded[: len(batch)] = batch
        return padded

    def release(self) -> None:
        """See `Held.release`."""


class FakeSession:
    """A session whose samples are row numbers, answered from stored outputs.

    Args:
        outputs: probabilities float32 [n_samples, n_classes]; the sample 3 has row 3.
        name: the member's name.
    """

    def __init__(self, outputs: FloatArray, *, name: str = "member") -> None:
        self._outputs = outputs
        self._info = SessionInfo(
            name=name,
            input_shape=(),
            input_dtype="int64",
            n_classes=outputs.shape[1],
            setting=NO_DEVICE,
        )
        self.calls: list[int] = []

    @property
    def info(self) -> SessionInfo:
        """See `Session.info`."""
        return self._info

    def hold(self, x: NDArray[Any]) -> Held:
        """See `Session.hold`."""
        return HostSamples(x)

    def run(self, batch: Any) -> FloatArray:
        """The stored rows of the samples `batch` [n]; notes n in `calls`."""
        self.calls.append(len(batch))
        return self._outputs[batch]

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """Nothing to do: stored outputs are as fast the first time."""


class NullSession:
    """A session that costs nothing: it gives the same rows whatever it is asked.

    What a cascade of these spends is the executor's own time.

    Args:
        outputs: probabilities float32 [n, n_classes] with n the largest batch size.
        info: what it pretends to be.
    """

    def __init__(self, outputs: FloatArray, info: SessionInfo) -> None:
        self._outputs = outputs
        self._info = replace(info, setting=NO_DEVICE)

    @property
    def info(self) -> SessionInfo:
        """See `Session.info`."""
        return self._info

    def hold(self, x: NDArray[Any]) -> Held:
        """See `Session.hold`."""
        return HostSamples(x)

    def run(self, batch: Any) -> FloatArray:
        """The first rows of `outputs`."""
        return self._outputs[: len(batch)]

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """Nothing to do."""


class RereadSession:
    """Another session whose samples are those of another input of the cascade.

    Args:
        session: that runs the member.
        reads: the input.
    """

    def __init__(self, session: Session, reads: str) -> None:
        # Of its own kind it takes what is inside: models are loaded again and again.
        self._session = session._session if isinstance(session, RereadSession) else session
        self._info = replace(session.info, reads=reads)

    @property
    def info(self) -> SessionInfo:
        """See `Session.info`."""
        return self._info

    def hold(self, x: NDArray[Any]) -> Held:
        """See `Session.hold`."""
        return self._session.hold(x)

    def run(self, batch: Any) -> FloatArray:
        """See `Session.run`."""
        return self._session.run(batch)

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """See `Session.warm_up`."""
        self._session.warm_up(batch_sizes)


def random_batch(info: SessionInfo, n: int, *, rng: np.random.Generator) -> NDArray[Any]:
    """Random samples [n, *input_shape]: floats from 0 to 1, or all bytes."""
    shape = (n, *info.input_shape)
    if info.input_dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.random(shape, np.float32).astype(info.input_dtype)


def checked_batch(x: NDArray[Any], info: SessionInfo) -> NDArray[Any]:
    """`x` [n, *input_shape] as it is, or one error that says what is wrong with it.

    Raises:
        SessionError: `x` has another shape or type than the session takes.
    """
    if x.ndim == 0 or x.shape[1:] != info.input_shape:
        wanted = f"[n, {', '.join(map(str, info.input_shape))}]" if info.input_shape else "[n]"
        raise SessionError(f"expected samples {wanted}, got {list(x.shape)}", where=info.name)
    if x.dtype != np.dtype(info.input_dtype):
        raise SessionError(
            f"expected {info.input_dtype} samples, got {x.dtype}; "
            f"convert them with x.astype({info.input_dtype!r})",
            where=info.name,
        )
    return x


def samples_of(
    x: Batch | RawImages, inputs: Mapping[str, SessionInfo], images: ImageReader | None = None
) -> Samples:
    """What a caller gave, checked as far as it is there already.

    Args:
        x: one array where there is one input, or an array for each input, or samples that are
            read later, or images.
        inputs: name of an input -> a member that reads it.
        images: makes samples of images; None where there are none.

    Raises:
        SessionError: an input is missing or unknown, or has another shape, type or length.
        DataError: images that no samples can be made of.
    """
    # Arrays first: asking for the protocol costs more than all that follows.
    if not isinstance(x, (np.ndarray, Mapping)):
        if isinstance(x, Samples):
            return x
        if images is not None and images.takes(x):
            return images.read(x)
    try:
        arrays = dict(x) if isinstance(x, Mapping) else {INPUT: np.asarray(x)}
        if set(arrays) != set(inputs):
            raise SessionError(
                f"expected samples for {', '.join(inputs)}, got {', '.join(arrays) or 'none'}; "
                "members that want different preprocessings take one array each, by input",
                where="cascade",
            )
        checked = {name: checked_batch(np.asarray(a), inputs[name]) for name, a in arrays.items()}
        lengths = {name: len(array) for name, array in checked.items()}
        if len(set(lengths.values())) > 1:
            raise SessionError(f"the inputs have different numbers of samples: {lengths}")
    except SessionError:
        # Images as an array are looked for where nothing else fits: samples pay nothing for it.
        if images is None or not images.takes(x):
            raise
        return images.read(x)
    return ArraySamples(arrays=checked)
