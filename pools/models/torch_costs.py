"""What a torch model costs per sample: multiply-adds, parameters, memory.

Counted while one sample runs, by torch's own counter: products of matrices and convolutions, with
attention taken apart (fused attention would not be counted on a CPU).
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from ...errors import MissingExtraError

try:
    import torch
    from torch import nn
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import FlopCounterMode
except ImportError as error:
    raise MissingExtraError("counting what torch models cost", extra="export") from error


def torch_costs(module: nn.Module, sample: torch.Tensor) -> Mapping[str, float]:
    """The costs of one sample [1, ...]: macs, params and memory_bytes.

    The module must be in eval mode; its parameters ask for no gradients from now on.

    memory_bytes is the size of the weights and of all activations that are alive at once, at its
    peak; what kernels take for themselves is not in it.
    """
    # The counter's hooks fail where a gradient is wanted in inference mode.
    module.requires_grad_(requires_grad=False)
    weights = [*module.parameters(), *module.buffers()]
    with (
        torch.inference_mode(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
        _LiveBytes(sample) as live,
    ):
        module(sample)
    return {
        "macs": counter.get_total_flops() // 2,
        "params": n_parameters(module),
        "memory_bytes": live.peak + sum(tensor.nbytes for tensor in weights),
    }


def n_parameters(module: nn.Module) -> int:
    """How many numbers a module has learnt, those that it uses twice counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


class _LiveBytes(TorchDispatchMode):
    """The largest size of all tensors that were made here and lived at the same time."""

    def __init__(self, sample: torch.Tensor) -> None:
        super().__init__()
        self.peak = self._live = sample.nbytes
        self._known: set[int] = {sample.untyped_storage().data_ptr()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        before = {
            leaf.untyped_storage().data_ptr()
            for leaf in tree_leaves((args, kwargs or {}))
            if isinstance(leaf, torch.Tensor)
        }
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._note(leaf.untyped_storage(), before)
        return result

    def _note(self, storage: torch.UntypedStorage, inputs: set[int]) -> None:
        place = storage.data_ptr()
        if place in self._known or place in inputs:
            return
        self._known.add(place)
        self._live += storage.nbytes()
        self.peak = max(self.peak, self._live)
        weakref.finalize(storage, self._forget, place, storage.nbytes())

    def _forget(self, place: int, n_bytes: int) -> None:
        self._known.discard(place)
        self._live -= n_bytes
