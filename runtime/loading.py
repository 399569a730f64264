"""From a bundle on the disk to something that predicts: `load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..bundle_files import verified_bytes, verified_path
from ..data.raw_images import ImageReader
from ..entries import FileEntry, MemberEntry
from ..errors import ManifestError
from ..manifest import Manifest
from .batching import Batching
from .executor import DEFAULT_BATCHING, Predictor, Runner
from .onnx_file import external_files
from .placement import DEFAULT_PLACEMENT, Placement
from .session import RereadSession, Session

if TYPE_CHECKING:
    from .ort_session import OrtSession

MAX_BATCH_SIZE = 256

Backend: TypeAlias = Literal["staged", "graph"]


def load(
    bundle: str | Path,
    *,
    device: str = "cpu",
    n_threads: int | None = None,
    backend: Backend = "staged",
    batching: Batching | None = None,
    gpu_memory_bytes: int | None = None,
    cuda_graphs: bool = False,
) -> Predictor:
    """Opens a bundle: everything in it is verified before it is loaded, and warmed up after.

    What it returns is called with samples [n, *input_shape], or with images that become samples as
    the manifest says: paths, Pillow images, one of these or a list of them, uint8 arrays
    [n, height, width, 3], or a list of uint8 arrays [height, width, 3] of different sizes. Where
    the manifest's dtype is uint8, uint8 arrays are samples, never images.

    Args:
        bundle: the folder.
        device: "cpu", "cuda:0", "tensorrt:0", ...
        n_threads: intra-operator threads of each session; None: every processor there is.
        backend: "staged" runs a session for each member, "graph" the whole cascade as one graph.
        batching: how many rows a session gets at once; by default at most 256, on a GPU in
            buckets of 1, 2, 4, ..., each of which is run first. On a CPU one small batch is.
        gpu_memory_bytes: the most memory of a GPU for each session; None: no limit.
        cuda_graphs: replay each bucket of each member as one CUDA graph.

    Raises:
        ManifestError: the bundle has faults, or a file is not the one hashed.
        SessionError: a model cannot be loaded, or the device is not really there.
    """
    folder = Path(bundle)
    manifest = Manifest.load(folder)
    batching = batching or Batching.on(device, max_batch_size=MAX_BATCH_SIZE)
    placement = Placement(
        device=device,
        n_threads=n_threads,
        gpu_memory_bytes=gpu_memory_bytes,
        cuda_graphs=cuda_graphs,
        buckets=batching.buckets,
    )
    images = ImageReader(inputs=manifest.inputs, where=str(folder))
    if backend == "graph":
        return open_graph(folder, manifest, placement, batching=batching, images=images)
    sessions = open_members(folder, manifest, placement)
    runner = Runner(manifest.cascade, sessions, batching=batching, images=images)
    runner.warm_up()
    return runner


def open_members(
    bundle: Path,
    manifest: Manifest,
    placement: Placement = DEFAULT_PLACEMENT,
    *,
    known: Mapping[str, Session] = MappingProxyType({}),
) -> tuple[Session, ...]:
    """A session for each member of a bundle, in stage order; every file is verified first.

    Args:
        bundle: the folder.
        manifest: of the bundle.
        placement: where and how the sessions run.
        known: SHA-256 of a model file -> a session of it at the same place, which is used again.

    Raises:
        ManifestError: a file is not the one hashed, or has weights in a file that is not listed.
        SessionError: a model cannot be loaded, or the device is not really there.
    """
    models = [verified_model(bundle, member, member.external) for member in manifest.members]
    return tuple(
        _known(member, manifest, known) or _open(model, member, manifest, placement)
        for model, member in zip(models, manifest.members, strict=True)
    )


def open_member(
    bundle: Path,
    manifest: Manifest,
    member: MemberEntry,
    placement: Placement = DEFAULT_PLACEMENT,
) -> Session:
    """A session for one member of a bundle; its files are verified first.

    Raises:
        ManifestError: a file is not the one hashed, or has weights in a file that is not listed.
        SessionError: the model cannot be loaded, or the device is not really there.
    """
    model = verified_model(bundle, member, member.external)
    return _open(model, member, manifest, placement)


def open_graph(
    bundle: Path,
    manifest: Manifest,
    placement: Placement = DEFAULT_PLACEMENT,
    *,
    batching: Batching = DEFAULT_BATCHING,
    is_warmed: bool = True,
    images: ImageReader | None = None,
) -> Predictor:
    """The whole cascade of a bundle as one graph; its file is verified first.

    Args:
        bundle: the folder.
        manifest: of the bundle.
        placement: where and how it runs.
        batching: how many rows it gets at once.
        is_warmed: run what the first call would pay for; a proof that nobody times can do without.
        images: makes samples of images; None: only samples are taken.

    Raises:
        ManifestError: the bundle has no graph, or its file is not the one hashed.
        SessionError: the graph cannot be loaded, or the device is not really there.
    """
    from .graph_runner import GraphRunner  # noqa: PLC0415 - onnxruntime is optional

    if manifest.graph is None:
        raise ManifestError(
            "the bundle has no graph of the whole cascade; use the backend 'staged'",
            where=str(bundle),
        )
    model = verified_model(bundle, manifest.graph, manifest.graph.external)
    runner = GraphRunner(manifest, model, placement=placement, batching=batching, images=images)
    if is_warmed:
        runner.warm_up()
    return runner


def verified_model(
    bundle: Path, entry: FileEntry, external: tuple[FileEntry, ...] = ()
) -> bytes | Path:
    """The content of an ONNX file of a bundle; its path where weights lie beside it.

    Raises:
        ManifestError: a file is not the one hashed, or the model names a file that is not listed.
    """
    content = verified_bytes(bundle, entry)
    where = str(bundle / entry.file)
    folder = str(Path(entry.file).parent.as_posix())
    named = {f"{folder}/{file}" for file in external_files(content, where=where)}
    unlisted = sorted(named - {file.file for file in external})
    if unlisted:
        raise ManifestError(
            f"its weights lie in files that the manifest does not list: {', '.join(unlisted)}",
            where=where,
        )
    if not named:
        return content
    for file in external:
        verified_path(bundle, file)
    return verified_path(bundle, entry)


def _known(member: MemberEntry, manifest: Manifest, known: Mapping[str, Session]) -> Session | None:
    session = known.get(member.sha256)
    if session is None or member.external:
        return None
    info, entry = session.info, manifest.input_of(member)
    wanted = (entry.shape, entry.dtype, manifest.n_classes)
    if (info.input_shape, info.input_dtype, info.n_classes) != wanted:
        return None
    return session if info.reads == entry.name else RereadSession(session, entry.name)


def _open(
    model: bytes | Path, member: MemberEntry, manifest: Manifest, placement: Placement
) -> OrtSession:
    from .ort_session import OrtSession  # noqa: PLC0415 - onnxruntime is optional

    entry = manifest.input_of(member)
    session = OrtSession(
        model,
        name=member.name,
        input_shape=entry.shape,
        n_classes=manifest.n_classes,
        placement=placement,
        input_name=member.input,
        output_name=member.output,
        sha256=member.sha256,
        reads=member.reads,
    )
    if session.info.input_dtype != entry.dtype:
        raise ManifestError(
            f"{member.name} takes {session.info.input_dtype} samples, but the manifest says "
            f"{entry.dtype}",
            where=str(manifest.name),
        )
    return session
