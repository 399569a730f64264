"""Images as Python users have them: paths, Pillow images, uint8 arrays; samples when asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ..arrays import ByteArray, FloatArray, IntArray
from ..entries import InputEntry
from ..errors import DataError
from .preprocessing import CHANNELS, Preprocessing
from .samples import converted

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

RawImage: TypeAlias = "str | Path | PillowImage | ByteArray"
RawImages: TypeAlias = "RawImage | Sequence[RawImage]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReader:
    """Makes a bundle's samples of images, as its manifest says.

    Args:
        inputs: what the cascade takes.
        where: the bundle.
    """

    inputs: Sequence[InputEntry]
    where: str

    def takes(self, x: object) -> bool:
        """Whether `x` is images: paths, Pillow images, or uint8 where samples are not uint8.

        Bytes that a model takes as they are, are samples: the manifest's dtype decides.
        """
        if isinstance(x, np.ndarray):
            array = cast("NDArray[Any]", x)
            return array.dtype == np.uint8 and self._states_all and not self._takes_bytes
        if isinstance(x, (list, tuple)):
            items = cast("Sequence[object]", x)
            return bool(items) and self._is_image(items[0])
        return self._is_image(x)

    def read(self, x: object) -> ImageSamples:
        """The samples that images make, each read when a member asks for it.

        Raises:
            DataError: the manifest states no preprocessing, or there are not 4 dimensions.
        """
        if isinstance(x, np.ndarray):
            array = cast("NDArray[Any]", x)
            if array.ndim != 4:
                raise DataError(
                    f"expected uint8 images [n, height, width, 3], got {list(array.shape)}; one "
                    "image is a list of one array [height, width, 3]",
                    where=self.where,
                )
            images = cast("Sequence[object]", array)
        else:
            images = cast("Sequence[object]", x if isinstance(x, (list, tuple)) else [x])
        steps = {entry.name: self._preprocessing(entry) for entry in self.inputs}
        dtypes = {entry.name: entry.dtype for entry in self.inputs}
        return ImageSamples(images=images, preprocessings=steps, dtypes=dtypes)

    @property
    def _states_all(self) -> bool:
        return all(entry.preprocessing for entry in self.inputs)

    @property
    def _takes_bytes(self) -> bool:
        return any(entry.dtype == "uint8" for entry in self.inputs)

    def _is_image(self, x: object) -> bool:
        if isinstance(x, np.ndarray):
            array = cast("NDArray[Any]", x)
            return array.dtype == np.uint8 and not self._takes_bytes
        return isinstance(x, (str, Path)) or _is_pillow(x)

    def _preprocessing(self, entry: InputEntry) -> Preprocessing:
        shape = f"{entry.dtype} [n, {', '.join(map(str, entry.shape))}]"
        if not entry.preprocessing:
            raise DataError(
                f"the manifest states no preprocessing for {entry.name}, so that images cannot be "
                f"made into samples; give samples, {shape}",
                where=self.where,
            )
        steps = Preprocessing.of(entry.preprocessing, where=self.where)
        if steps.sample_shape != entry.shape:
            raise DataError(
                f"the preprocessing of {entry.name} makes samples {list(steps.sample_shape)}, but "
                f"the model takes {shape}",
                where=self.where,
            )
        return steps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSamples:
    """Images as `Samples`: one is decoded for those inputs alone that it reaches.

    Args:
        images: n of them.
        preprocessings: of each input, by its name.
        dtypes: of each input's samples.
    """

    images: Sequence[object]
    preprocessings: Mapping[str, Preprocessing]
    dtypes: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, name: str, rows: IntArray) -> NDArray[Any]:
        """See `Samples.read`.

        Raises:
            DataError: an image cannot be read; it is named.
        """
        steps = self.preprocessings[name]
        samples = np.empty((len(rows), *steps.sample_shape), np.float32)
        for place, row in enumerate(rows):
            samples[place] = _sample(self.images[int(row)], steps, where=f"image {int(row)}")
        return converted(samples, self.dtypes[name], where=name)


def _sample(image: object, steps: Preprocessing, *, where: str) -> FloatArray:
    from .images import read_sample, sample_of, sample_of_pixels  # noqa: PLC0415 - Pillow is optional

    if isinstance(image, (str, Path)):
        try:
            with Path(image).open("rb") as file:
                return read_sample(file, steps, where=str(image))
        except OSError as cause:
            raise DataError(f"cannot be opened: {cause.strerror}", where=str(image)) from cause
    if isinstance(image, np.ndarray):
        pixels = cast("NDArray[Any]", image)
        is_image = pixels.ndim == 3 and pixels.shape[2] in CHANNELS and pixels.size > 0
        if pixels.dtype != np.uint8 or not is_image:
            raise DataError(
                f"expected uint8 [height, width, 3], got {pixels.dtype} {list(pixels.shape)}",
                where=where,
            )
        return sample_of_pixels(pixels, steps)
    if not _is_pillow(image):
        raise DataError(
            f"expected a path, a Pillow image or a uint8 array, got {type(image).__name__}",
            where=where,
        )
    try:
        return sample_of(cast("PillowImage", image), steps)
    except (OSError, ValueError, SyntaxError) as cause:
        raise DataError(f"not an image that can be read: {cause}", where=where) from cause


def _is_pillow(x: object) -> bool:
    """Whether `x` is an image of Pillow, which is not imported for that."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(x, module.Image)
