"""One model of a pool as an ONNX file that gives what the model gives, proven by stored outputs."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.preprocessing import Preprocessing
from ..entries import INPUT
from ..errors import ExportError
from ..export.member_proofs import SAME_ANSWERS, prove_member
from ..export.member_views import (
    Member,
    input_shapes,
    preprocessing_json,
    preprocessing_of,
    views_of,
)
from ..export.onnx_export import ExportedModel, Exporter, export_member, stated_input_dtype
from ..export.onnx_model import EXTERNAL_ENDING, save_model
from ..export.proofs import proof_rows
from ..files import json_text, write_atomically
from ..pools.model import Model
from ..pools.models.specs import SIDECAR, source_model
from ..pools.pool import Pool
from ..runtime.ort_session import OrtSession
from ..runtime.placement import Placement
from ..runtime.predicting import outputs_of
from .export_front import members_of
from .joined_data import JoinedData

MODELS = "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model that is now an ONNX file, held against the outputs that the pool stores.

    Args:
        name: of the model.
        file: in the folder.
        kind: what it gives: "logits" or "probabilities", as the model itself does.
        precision: what it computes in.
        n_samples: how many samples it was proven on.
        top1_agreement: share of them with the stored answer.
        max_difference: the largest difference of a probability from the stored one.
        file_bytes: of the file and the weights beside it.
    """

    name: str
    file: str
    kind: str
    precision: str
    n_samples: int
    top1_agreement: float
    max_difference: float
    file_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortableModels:
    """Writes models of a pool as ONNX files, one at a time, and proves each.

    Args:
        pool: of the models.
        folder: of the new pool.
        samples: gives the proof's samples as a preprocessing makes them.
        exporter: of torch modules.
        placement: where the proofs run.
    """

    pool: Pool
    folder: Path
    samples: Callable[[Preprocessing | None], JoinedData]
    exporter: Exporter
    placement: Placement

    def file_of(self, name: str) -> tuple[Model, ModelFile]:
        """The model's record in the new pool, and its file.

        Raises:
            EncasError: it cannot be exported, or answers otherwise than the pool says.
        """
        (member,) = members_of(self.pool, [name])
        views = views_of([member])
        joined = self.samples(views.preprocessings[INPUT])
        shape = input_shapes([member], views, joined.dataset)[INPUT]
        dtype = stated_input_dtype(member.source)
        joined = replace(joined, dataset=joined.dataset.as_types({INPUT: dtype}))
        made = export_member(member.source, input_shape=shape, exporter=self.exporter, is_bare=True)
        model = replace(
            self.pool[name], source=f"onnx:{MODELS}/{_file_name(name)}?kind={made.kind}"
        )
        path = self.folder / MODELS / _file_name(name)
        try:
            self._write(member, made, path)
            return model, self._proven(model, made, joined, shape)
        except BaseException:
            _remove(path)
            raise

    def _write(self, member: Member, made: ExportedModel, path: Path) -> None:
        _remove(path)
        if self.pool.classes is not None:
            entry = made.model.metadata_props.add()
            entry.key, entry.value = "classes", json.dumps(self.pool.classes)
        save_model(made.model, path)
        preprocessing = preprocessing_json(preprocessing_of(member))
        if preprocessing is not None:
            write_atomically(path.with_name(path.name + SIDECAR), json_text(preprocessing))

    def _proven(
        self, model: Model, made: ExportedModel, joined: JoinedData, shape: tuple[int, ...]
    ) -> ModelFile:
        """Holds the member that others will make of the file against model and stored outputs."""
        source = source_model(model.source, base=self.folder)
        again = export_member(source, input_shape=shape, temperature=model.temperature)
        with tempfile.TemporaryDirectory(prefix="encas-") as folder:
            save_model(again.model, Path(folder) / "member.onnx")
            session = OrtSession(
                Path(folder) / "member.onnx",
                name=model.name,
                input_shape=shape,
                n_classes=again.n_classes,
                placement=self.placement,
            )
            place, rows = self.pool.index(model.name), proof_rows(joined.dataset.n_samples)
            prove_member(
                replace(again, raw=made.raw, frozen_batch=made.frozen_batch),
                session,
                joined.dataset.samples(rows),
                stored=self.pool.probabilities(place, joined.rows[rows]),
            )
            return self._compared(model, made, joined, session)

    def _compared(
        self, model: Model, made: ExportedModel, joined: JoinedData, session: OrtSession
    ) -> ModelFile:
        stored = self.pool.probabilities(self.pool.index(model.name), joined.rows)
        answers = outputs_of(session, joined.dataset)
        agreement = float((answers.argmax(axis=1) == stored.argmax(axis=1)).mean())
        if agreement < SAME_ANSWERS:
            raise ExportError(
                f"gives the stored answer for {agreement:.1%} of {len(stored)} samples only: the "
                "model, its preprocessing or the data are not those that the pool was built with"
            )
        file = f"{MODELS}/{_file_name(model.name)}"
        files = [self.folder / f"{file}{ending}" for ending in ("", EXTERNAL_ENDING)]
        return ModelFile(
            name=model.name,
            file=file,
            kind=made.kind,
            precision=made.precision,
            n_samples=len(stored),
            top1_agreement=agreement,
            max_difference=float(abs(answers - stored).max()),
            file_bytes=sum(path.stat().st_size for path in files if path.is_file()),
        )


def _remove(path: Path) -> None:
    for ending in ("", EXTERNAL_ENDING, SIDECAR):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _file_name(name: str) -> str:
    """A plain name that no other model's file has."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80]
    if plain == name:
        return f"{plain}.onnx"
    return f"{plain or 'model'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.onnx"
