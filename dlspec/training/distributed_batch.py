"""What concerns a whole batch while each process holds a share of it.

Random numbers are drawn for the whole batch by every process, alike, and each takes its rows;
BatchNorm takes the statistics of the whole batch; the sum of class weights is that of all. So
the number of processes changes no result but in its last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from dlspec.training.distributed import World, share_of

# --- random numbers and class weights ---------------------------------------------------------


class WholeBatch(TorchFunctionMode):
    """Within, what a forward pass draws, and the sums of its class weights, are the batch's.

    used: whether anything in it was.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.used = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        special = _SPECIAL.get(func) or _OWN.get(getattr(func, "__name__", ""))
        if special is None:
            return func(*args, **(kwargs or {}))
        return special(self, func, *args, **(kwargs or {}))

    def template(self, x: torch.Tensor) -> torch.Tensor:
        """Ones in the shape of `x` for the whole batch, in its memory layout."""
        layout = torch.contiguous_format
        if x.ndim == 4 and not x.is_contiguous() and _lies_channels_last(x):
            layout = torch.channels_last
        shape = (self.world.share.total, *x.shape[1:])
        empty = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
        return empty.fill_(1)

    def holds(self, length: Any) -> bool:
        """Whether an axis of that length is the batch."""
        found = length == self.world.share.held and self.world.share.total > 1
        self.used = self.used or found
        return found


@contextmanager
def whole_batch(world: World, *, needed: bool = True) -> Iterator[WholeBatch | None]:
    """Within, draws and class weights are the whole batch's. Alone, there is nothing to do."""
    if world.alone or not needed:
        yield None
        return
    with WholeBatch(world) as mode:
        yield mode


def counted(world: World, figures: torch.Tensor) -> torch.Tensor:
    """The sums over this process's share of a batch: nothing where its example only stands in."""
    return figures if world.share.counted else torch.zeros_like(figures)


def _lies_channels_last(x: torch.Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


def _dropout(
    mode: WholeBatch,
    func: Callable[..., torch.Tensor],
    input: torch.Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> torch.Tensor:
    if not training or p == 0 or not mode.holds(len(input)):
        return func(input, p, training, inplace)
    return input * func(mode.template(input.detach()), p, True)[mode.world.share.rows]


def _like(
    mode: WholeBatch, func: Callable[..., torch.Tensor], input: torch.Tensor, **kwargs: Any
) -> torch.Tensor:
    if input.ndim == 0 or not mode.holds(len(input)):
        return func(input, **kwargs)
    return func(mode.template(input.detach()), **kwargs)[mode.world.share.rows]


def _drawn(
    mode: WholeBatch, func: Callable[..., torch.Tensor], *size: Any, **kwargs: Any
) -> torch.Tensor:
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    if kwargs.get("generator") is not None or not shape or not mode.holds(shape[0]):
        return func(*size, **kwargs)
    share = mode.world.share
    return func(share.total, *shape[1:], **kwargs)[share.rows]


def _own_stream(mode: WholeBatch, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Random numbers of this process alone, where drawing happens out of reach within PyTorch.

    The streams that all processes share are left alike.
    """
    mode.used = True
    seed = int(torch.randint(2**62, ()))
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed + mode.world.rank)
        return func(*args, **kwargs)


def _attention(mode: WholeBatch, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The mean of random weights is out of reach: drawn by this process."""
    dropout = args[10] if len(args) > 10 else kwargs.get("dropout_p", 0.0)
    if not dropout or not kwargs.get("training", True):
        return func(*args, **kwargs)
    return _own_stream(mode, func, *args, **kwargs)


def _recurrent(mode: WholeBatch, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    dropout, training = args[5], args[6]
    if not dropout or not training:
        return func(*args, **kwargs)
    return _own_stream(mode, func, *args, **kwargs)


def _class_weighted(
    mode: WholeBatch,
    func: Callable[..., torch.Tensor],
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """A weighted mean over the share, scaled so that the mean by examples is the weighted one.

    PyTorch divides by the sum of the weights only where targets are class numbers.
    """
    loss = func(input, target, weight=weight, **kwargs)
    if weight is None or target.is_floating_point():
        return loss
    mode.used = True
    share = mode.world.share
    own = weight[target.reshape(-1)].sum() if share.counted else weight.new_zeros(())
    everyones = mode.world.sum(own)
    return loss * (own / everyones * share.total / max(share.counted, 1))


_SPECIAL: dict[Any, Callable[..., Any]] = {
    F.dropout: _dropout,
    F.dropout1d: _dropout,
    F.dropout2d: _dropout,
    F.dropout3d: _dropout,
    F.alpha_dropout: _own_stream,
    F.feature_alpha_dropout: _own_stream,
    F.multi_head_attention_forward: _attention,
    F.cross_entropy: _class_weighted,
    F.nll_loss: _class_weighted,
    torch.rand: _drawn,
    torch.randn: _drawn,
    torch.rand_like: _like,
    torch.randn_like: _like,
    torch.bernoulli: _own_stream,
    torch.normal: _own_stream,
    torch.multinomial: _own_stream,
    torch.Tensor.bernoulli_: _own_stream,
    torch.Tensor.normal_: _own_stream,
    torch.Tensor.uniform_: _own_stream,
}
_OWN: dict[str, Callable[..., Any]] = dict.fromkeys(
    ("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent
)


def draws_for_itself(model: nn.Module) -> list[str]:
    """The paths of modules whose dropout each process draws for itself."""
    return [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase) and module.dropout > 0
    ]


# --- BatchNorm -----------------------------------------------------------------------------------


class _Gather(torch.autograd.Function):
    """The tensors of all processes, stacked. Its gradient is `_Scatter`, as often as wanted."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        import torch.distributed as dist

        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return _Scatter.apply(gradient)


class _Scatter(torch.autograd.Function):
    """Of tensors stacked by process, the sum over all processes of what is for this one."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        import torch.distributed as dist

        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[dist.get_rank()]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return _Gather.apply(gradient.contiguous())


class WholeBatchNorm(_BatchNorm):
    """BatchNorm with the statistics of the whole batch, whatever shares it lies in.

    On a GPU by PyTorch's own kernels, which take every example of every share; here where there
    are none (on the CPU), or where a share has an example that does not count.
    """

    world: World
    process_group = None
    _check_input_dim = nn.SyncBatchNorm._check_input_dim
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        world = self.world
        if not self.training:
            mean, variance = self.running_mean, self.running_var
            return F.batch_norm(input, mean, variance, self.weight, self.bias, False, 0.0, self.eps)
        total, size = world.share.total, world.size
        if input.is_cuda and total >= size:
            return nn.SyncBatchNorm.forward(cast(nn.SyncBatchNorm, self), input)
        counted = [share_of(rank, size, total).counted for rank in range(size)]
        shares = torch.tensor(counted, dtype=torch.float32, device=input.device) / total
        x = input.float()
        axes = [0, *range(2, x.ndim)]
        variance, mean = torch.var_mean(x, axes, correction=0)
        means, variances = _Gather.apply(torch.stack([mean, variance])).unbind(1)
        mean = (shares[:, None] * means).sum(0)
        variance = (shares[:, None] * (variances + (means - mean).square())).sum(0)
        self._remember(mean, variance, total * (x[0, 0].numel()))
        spread = [1, -1, *[1] * (x.ndim - 2)]
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.float()
        output = (x - mean.view(spread)) * scale.view(spread)
        if self.bias is not None:
            output = output + self.bias.float().view(spread)
        return output.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), self.momentum)


def share_batch_norms(model: nn.Module, world: World) -> bool:
    """Put the statistics of whole batches into every BatchNorm; whether there is one."""
    found: dict[nn.Module, WholeBatchNorm] = {}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                if child not in found:
                    found[child] = _whole_batch_norm(child, world)
                setattr(parent, name, found[child])
    return bool(found)


def _whole_batch_norm(module: _BatchNorm, world: World) -> WholeBatchNorm:
    made = WholeBatchNorm(module.num_features, module.eps, module.momentum, module.affine)
    made.__dict__["world"] = world
    for name in ("_parameters", "_buffers"):
        made.__dict__[name] = module.__dict__[name]
    made.training = module.training
    return made
