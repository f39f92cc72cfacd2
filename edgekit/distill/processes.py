"""The processes that train together: one on a laptop, or many on several machines.

Accelerate detects their placement (`accelerate launch`, `torchrun`, or plain Python) and
wraps the student so that all processes hold the same weights. Everything else is written so
that its result does not hang on how many there are: a batch is drawn once and shared out,
and its mean is taken over all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from edgekit.distill.network import use_own_interface

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule

PATIENCE = timedelta(hours=12)
"""Seconds that a process waits for the others, which may be planning or exporting."""


class Processes:
    """This process among those that train together, and what they do with one another."""

    def __init__(self) -> None:
        # Accelerate takes seconds to import, and not every command trains.
        from accelerate import Accelerator, InitProcessGroupKwargs

        use_own_interface()
        self._accelerator = Accelerator(
            cpu=not torch.accelerator.is_available(),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
        )
        self.device: torch.device = self._accelerator.device
        self.count: int = self._accelerator.num_processes
        self.number: int = self._accelerator.process_index
        self.first: bool = self._accelerator.is_main_process

    def portion(self, indices: Tensor) -> Tensor:
        """This process's part of `numbers` (n,): parts differ by one at most."""
        return torch.tensor_split(indices, self.count)[self.number]

    def wrap(self, module: nn.Module, *, shard: bool) -> nn.Module:
        """`module` on this process's device, its gradients averaged over all; or, with `shard`,
        its parameters spread over all."""
        module = module.to(self.device)
        if self.count == 1:
            return module
        if shard:
            return _sharded(module)
        wrapped: nn.Module = self._accelerator.prepare(module)
        return wrapped

    @contextmanager
    def apart(self, module: nn.Module) -> Iterator[None]:
        """Gradients stay in each process: more of them are to be added before they are shared."""
        spread = _spread(module) if self.count > 1 else None
        if spread is not None:
            spread.set_requires_gradient_sync(False)
            yield
            spread.set_requires_gradient_sync(True)
        else:
            with self._accelerator.no_sync(module):
                yield

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, averaged over the processes."""
        self._accelerator.backward(loss)

    def total(self, value: float) -> float:
        """The sum of every process's `value`."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        return float(self._accelerator.reduce(total, "sum").item())

    def gather(self, part: Tensor, count: int) -> Tensor:
        """All processes' parts of `count` rows, as `portion` gave them, in every process."""
        if self.count == 1:
            return part
        longest = -(-count // self.count)
        padded = part.new_zeros((longest, *part.shape[1:]))
        padded[: len(part)] = part
        parts = self._accelerator.gather(padded).split(longest)
        sizes = [len(p) for p in torch.tensor_split(torch.arange(count), self.count)]
        return torch.cat([p[:n] for p, n in zip(parts, sizes, strict=True)])

    def agreed(self, mine: bool) -> bool:
        """The first process's value, in every process."""
        if self.count == 1:
            return mine
        said = torch.tensor([mine], dtype=torch.uint8, device=self.device)
        torch.distributed.broadcast(said, 0)
        return bool(said.item())

    def tell(self, message: Any) -> Any:
        """The first process's `message`, in every process."""
        said = [message]
        if self.count > 1:
            torch.distributed.broadcast_object_list(said, 0)
        return said[0]

    def everyone(self, value: Any) -> list[Any]:
        """Each process's `value`, in every process."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def forget(self) -> None:
        """Let go of what was wrapped."""
        if self.count > 1:
            self._accelerator.free_memory()

    def wait(self) -> None:
        """Until all are here."""
        self._accelerator.wait_for_everyone()


def whole(tensor: Tensor) -> Tensor:
    """A tensor on the CPU, put together from every process's part where it is spread; a copy."""
    gathered = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return gathered.detach().to("cpu", copy=True)


def spread_like(tensor: Tensor, other: Tensor) -> Tensor:
    """A whole tensor laid out as `other` is: where it is spread, this process's part."""
    if not hasattr(other, "full_tensor"):
        return tensor.to(other.device)
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(other, DTensor)
    return distribute_tensor(
        tensor.to(other.device), other.device_mesh, other.placements
    )


def _spread(module: nn.Module) -> FSDPModule | None:
    # FSDP takes a second to import, and most trainings are of one process.
    from torch.distributed.fsdp import FSDPModule

    return module if isinstance(module, FSDPModule) else None


def _sharded(module: nn.Module) -> nn.Module:
    from torch.distributed.fsdp import fully_shard

    fully_shard(module, reshard_after_forward=True)
    return module
