"""Writes a Triton model repository: checked before the first file, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ServingError
from ...files import new_folder
from ..protocol.model_config import ModelConfig
from ..protocol.model_config_text import message_of
from .ensemble_layout import ensemble_folders
from .layout_options import LayoutOptions
from .layouts import CascadeSource, ModelFolder, model_folders
from .onnx_models import Files

CONFIG_FILE = "config.pbtxt"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRepository:
    """What was written.

    Args:
        path: of the repository.
        models: the configurations, in the order of the names.
        cascades: the models that clients call.
    """

    path: Path
    models: tuple[ModelConfig, ...]
    cascades: tuple[str, ...]


def write_repository(
    bundles: Sequence[Path], path: Path, options: LayoutOptions, *, overwrite: bool = False
) -> WrittenRepository:
    """Writes the cascades of bundles into one repository; members that are the same come once.

    Args:
        bundles: folders.
        path: of the repository.
        options: layout and so on, the same for all.
        overwrite: whether an older repository is replaced.

    Raises:
        ServingError: names collide, a bundle lacks what the layout needs, or a configuration is
            not one that Triton reads.
        ManifestError: a bundle has faults.
    """
    sources = [CascadeSource.read(bundle, options) for bundle in bundles]
    folders = merged([folder for source in sources for folder in _folders(source)])
    check_folders(folders)
    with new_folder(path, error=ServingError, overwrite=overwrite) as temporary:
        for folder in folders:
            _write(temporary / folder.config.name, folder)
    ending = "_ensemble" if options.layout == "ensemble" else ""
    return WrittenRepository(
        path=path,
        models=tuple(folder.config for folder in folders),
        cascades=tuple(f"{source.name}{ending}" for source in sources),
    )


def merged(folders: Sequence[ModelFolder]) -> tuple[ModelFolder, ...]:
    """Folders by name, each once.

    Raises:
        ServingError: two different models have one name.
    """
    found: dict[str, ModelFolder] = {}
    faults: list[str] = []
    for folder in folders:
        known = found.setdefault(folder.config.name, folder)
        if known.config != folder.config or _contents(known.files) != _contents(folder.files):
            faults.append(f"two different models are called {folder.config.name!r}")
    if faults:
        raise ServingError(*faults, where="Triton repository")
    return tuple(found[name] for name in sorted(found))


def check_folders(folders: Sequence[ModelFolder]) -> None:
    """Reads the configurations back through Triton's message, and looks at how they fit together.

    Raises:
        ServingError: names every fault.
    """
    for folder in folders:
        message_of(folder.config)
    configs = {folder.config.name: folder.config for folder in folders}
    faults = [fault for config in configs.values() for fault in _faults(config, configs)]
    if faults:
        raise ServingError(*faults, where="Triton repository")


def _folders(source: CascadeSource) -> tuple[ModelFolder, ...]:
    folders = model_folders(source)
    if source.options.layout == "ensemble":
        return (*folders, *ensemble_folders(source))
    return folders


def _faults(config: ModelConfig, configs: dict[str, ModelConfig]) -> list[str]:
    called = _called(config)
    faults = [f"{config.name} calls {name}, which is not there" for name in called - set(configs)]
    for name in called & set(configs):
        if configs[name].max_batch_size < config.max_batch_size:
            faults.append(
                f"{config.name} takes batches of {config.max_batch_size}, but {name}, which it "
                f"calls, of {configs[name].max_batch_size}"
            )
    return faults


def _called(config: ModelConfig) -> set[str]:
    members = config.parameters.get("members")
    names = set(members.string_value.split(",")) if members else set()
    steps = config.ensemble_scheduling.step if config.ensemble_scheduling else ()
    return names | {step.model_name for step in steps}


def _contents(files: Files) -> dict[str, bytes]:
    return {
        path: content.read_bytes() if isinstance(content, Path) else _bytes(content)
        for path, content in files.items()
    }


def _write(folder: Path, model: ModelFolder) -> None:
    for relative, content in {**model.files, CONFIG_FILE: model.config.to_pbtxt()}.items():
        file = folder / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, file)
        else:
            file.write_bytes(_bytes(content))


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content
