"""One model that is being served: from a request to its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..protocol.cascade_tensors import OUTPUTS, PROBABILITIES
from ..protocol.protocol import (
    InferAnswer,
    InferRequest,
    OutputTensor,
    Refusal,
    RequestedOutput,
)
from ..protocol.tensors import (
    DATATYPE_OF,
    best_classes,
    bytes_of_array,
)
from .lane import Lane
from .model_face import VERSION, ModelFace
from .request_batch import RequestAnswer
from .request_inputs import read_inputs
from .request_statistics import Statistics
from .shared_memory import SharedMemory

US_PER_S = 1e6
ALL_OUTPUTS = {
    binary: tuple(RequestedOutput(name=name, binary=binary) for name in OUTPUTS)
    for binary in (False, True)
}

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServedModel:
    """A cascade, its queue and its counters."""

    face: ModelFace
    lane: Lane
    statistics: Statistics
    memory: SharedMemory
    clock: Clock = time.monotonic

    def check_room(self) -> None:
        """Refuses at once, and counts, what `infer` would refuse whatever the request says.

        Raises:
            Refusal: no request has a place in the queue, or the model is being unloaded.
        """
        try:
            self.lane.check_room()
        except Refusal:
            self.statistics.add_failure(0.0)
            raise

    async def infer(self, request: InferRequest) -> InferAnswer:
        """The answer to a request.

        Raises:
            Refusal: the request does not fit the model, or cannot be run now.
        """
        started = self.clock()
        try:
            outputs = self._wanted(request)
            samples = read_inputs(
                request.inputs,
                self.face,
                max_batch_size=self.lane.limits.max_batch_size,
                memory=self.memory,
            )
            answer = await self.lane.submit(samples, timeout_s=_timeout_s(request))
            ran = self.clock()
            tensors = tuple(self._output(output, answer) for output in outputs)
        except (Refusal, asyncio.CancelledError):
            self.statistics.add_failure(self.clock() - started)
            raise
        done = self.clock()
        self.statistics.add_success(done - started, send_s=done - ran)
        return InferAnswer(
            model=self.face.name,
            version=VERSION,
            id=request.id,
            outputs=tensors,
            parameters={"cascade": answer.cascade},
        )

    def _wanted(self, request: InferRequest) -> tuple[RequestedOutput, ...]:
        if request.outputs is None:
            return ALL_OUTPUTS[request.binary]
        for output in request.outputs:
            if output.name not in OUTPUTS:
                raise Refusal(
                    "invalid",
                    f"unexpected inference output {output.name!r} for model {self.face.name!r}",
                )
            if output.classes and output.name != PROBABILITIES:
                raise Refusal("invalid", f"only {PROBABILITIES!r} can be asked for as classes")
            if output.classes < 0 or (output.classes and output.region):
                raise Refusal("invalid", "classes are counted from 1 and not put into regions")
        return request.outputs

    def _output(self, wanted: RequestedOutput, answer: RequestAnswer) -> OutputTensor:
        data = self.face.output(wanted.name, answer)
        datatype = DATATYPE_OF[data.dtype]
        if wanted.classes:
            data = best_classes(data, wanted.classes, self.face.manifest.classes)
            datatype = "BYTES"
        if wanted.region:
            self.memory.write(wanted.region, bytes_of_array(data))
        return OutputTensor(
            name=wanted.name,
            datatype=datatype,
            data=data,
            binary=wanted.binary,
            region=wanted.region,
        )


def _timeout_s(request: InferRequest) -> float | None:
    timeout_us = request.parameters.get("timeout")
    if timeout_us is None:
        return None
    if isinstance(timeout_us, (bool, str)) or not timeout_us > 0:
        raise Refusal("invalid", "the timeout must be microseconds above 0")
    return timeout_us / US_PER_S
