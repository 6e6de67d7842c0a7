"""Four opinions on one network: dlspec's types, PyTorch, ONNX's shape inference, ONNX Runtime.

Everything is asked through the public interface: the text of a spec goes in, the emitted
Python runs, the ONNX file is opened. A difference is an AssertionError.
"""

from __future__ import annotations

import copy
from collections import Counter
from math import prod
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from drawn_networks import Network, fixed_text
from layer_inputs import CASES
from torch import nn
from torch.overrides import TorchFunctionMode

import dlspec
from dlspec.backends.torch import load_module
from dlspec.ir.dims import substitute
from dlspec.ir.graph import Graph, LayerNode, Program
from dlspec.ir.types import TensorType

TOLERANCE = 1e-5
"""Greatest difference, relative to the greatest value where that is over 1."""
BATCHES = (3, 1)
EDGE = 2e-5
"""How near to its jump a step may be fed before rounding can decide the result."""
JUMPS = frozenset({"sign", "heaviside", "gt", "ge", "lt", "le"})
UNCOUNTED = "num_batches_tracked"
_DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}

Values = dict[str, torch.Tensor]


class Verdict(NamedTuple):
    """What was compared.

    kinds:    every layer by its kind, blocks counted once
    refused:  why PyTorch or ONNX cannot express the network, or an empty text
    unclear:  why its values cannot be compared to the last digit, or an empty text
    inferred: types that ONNX's inference found whole, and of how many
    """

    kinds: Counter[str]
    refused: str
    unclear: str
    inferred: tuple[int, int]


def judge(network: Network) -> Verdict:
    """Hold the opinions against each other. Raises AssertionError where they differ."""
    spec = dlspec.loads(network.text)
    model, program = spec.models["Net"], spec.program
    fixed = dlspec.loads(fixed_text(network.text, network.sizes)).models["Net"]
    _compare_fixed(model.graph, fixed.graph, network.sizes)
    try:
        fixed.to_torch(train=False)
        module = load_module(model.to_torch(train=False))().eval()
    except dlspec.SpecError as error:
        assert [d.code for d in error.diagnostics] == ["E0415"], error
        return Verdict(_kinds(program), error.diagnostics[0].message, "", (0, 0))
    weights = randomized(module)
    content, refused = None, ""
    try:
        content = model.to_onnx(weights)
    except dlspec.SpecError as error:
        assert [d.code for d in error.diagnostics] == ["E0416"], error
        refused = error.diagnostics[0].message
    inferred = _compare_inference(content, network.sizes) if content else (0, 0)
    session = _session(content) if content else None
    unclear = ""
    for batch in BATCHES:
        given = _inputs(model.graph, network.sizes, batch)
        ours = _outputs(module, given, model.graph)
        _compare_types(ours, model.graph, network.sizes, batch)
        if session is not None:
            theirs = _run_session(session, given)
            _compare_types(theirs, model.graph, network.sizes, batch)
            unclear = _compare_values(theirs, ours, module, given, model.graph) or unclear
    return Verdict(_kinds(program), refused, unclear, inferred)


def _kinds(program: Program) -> Counter[str]:
    nodes = (node for graph in program.graphs.values() for node in graph.nodes)
    return Counter(node.layer.kind for node in nodes if isinstance(node, LayerNode))


# --- weights and inputs


def randomized(module: nn.Module) -> dict[str, np.ndarray]:
    """Random weights and statistics, variances positive; returns them by name."""
    generator = torch.Generator().manual_seed(0)
    found: dict[str, np.ndarray] = {}
    for name, tensor in module.state_dict().items():
        if name.endswith(UNCOUNTED):
            continue
        drawn = torch.randn(tensor.shape, generator=generator)
        scale = max(prod(tensor.shape[1:]), 1) ** -0.5
        tensor.copy_(drawn.abs() + 0.5 if name.endswith("var") else drawn * scale)
        found[name] = tensor.numpy()
    return found


def _inputs(graph: Graph, sizes: dict[str, int], batch: int) -> Values:
    """Random inputs in their declared order."""
    generator = torch.Generator().manual_seed(batch)
    given: Values = {}
    for port in graph.inputs:
        type = graph.types[port.value]
        shape = (batch, *_fixed(type, sizes))
        if type.dtype == "float":
            given[port.name] = torch.randn(shape, generator=generator)
        else:
            below = _below(graph, port.value)
            drawn = torch.randint(0, below, shape, generator=generator)
            given[port.name] = drawn.to(_DTYPES[type.dtype])
    return given


def _below(graph: Graph, value: str) -> int:
    """The bound of whole numbers that the layers take which are fed a value."""
    bounds = [
        CASES[node.layer.kind].below(node.layer)
        for node in graph.nodes
        if isinstance(node, LayerNode) and value in node.inputs
    ]
    return min(bounds, default=2)


def _fixed(type: TensorType, sizes: dict[str, int]) -> tuple[int, ...]:
    found = [substitute(dim, dict(sizes)) for dim in type.shape]
    return tuple(size for size in found if isinstance(size, int))


# --- PyTorch


def _outputs(module: nn.Module, given: Values, graph: Graph) -> Values:
    with torch.no_grad():
        result = module(*given.values())
    named = result if isinstance(result, dict) else {graph.outputs[0].name: result}
    return {port.name: named[port.name] for port in graph.outputs}


class Exact(TorchFunctionMode):
    """Runs a module in double precision, and notes where a jump is fed a value at its edge."""

    def __init__(self) -> None:
        super().__init__()
        self.on_edge = False

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name == "float":
            return args[0].double()
        if name in JUMPS and isinstance(args[0], torch.Tensor):
            size = args[0].abs()
            self.on_edge |= bool(((size > 0) & (size < EDGE)).any())
        return func(*args, **(kwargs or {}))


def _exact(module: nn.Module, given: Values, graph: Graph) -> tuple[Values, bool]:
    """The outputs in double precision, and whether a jump was fed a value at its edge."""
    double = copy.deepcopy(module).double()
    precise = {n: x.double() if x.is_floating_point() else x for n, x in given.items()}
    with Exact() as mode:
        return _outputs(double, precise, graph), mode.on_edge


# --- ONNX


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run_session(session: onnxruntime.InferenceSession, given: Values) -> Values:
    known = {x.name for x in session.get_inputs()}
    results = session.run(None, {n: x.numpy() for n, x in given.items() if n in known})
    names = [y.name for y in session.get_outputs()]
    arrays = zip(names, results, strict=True)
    return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays}


def _compare_inference(content: bytes, sizes: dict[str, int]) -> tuple[int, int]:
    """ONNX's inference, told none of our types but the inputs', finds them or nothing."""
    model = onnx.load_from_string(content)
    stated = onnx.load_from_string(content).graph
    ours = {v.name: v.type.tensor_type for v in (*stated.value_info, *stated.output)}
    del model.graph.value_info[:]
    for value in model.graph.output:  # inference takes an output's rank on trust, a value's not
        model.graph.node.append(onnx.helper.make_node("Identity", [value.name], [f"{value.name}!"]))
        value.name += "!"
        value.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(
        model, check_type=True, strict_mode=True, data_prop=True
    ).graph
    theirs = {v.name: v.type.tensor_type for v in (*found.value_info, *found.output)}
    whole = 0
    for name, type in ours.items():
        other = theirs.get(name)
        if other is None or not other.HasField("shape"):
            continue
        assert other.elem_type == type.elem_type, name
        assert len(other.shape.dim) == len(type.shape.dim), (name, other.shape, type.shape)
        pairs = list(zip(type.shape.dim, other.shape.dim, strict=True))
        for ours_dim, their_dim in pairs:
            if their_dim.HasField("dim_value"):
                assert ours_dim.dim_value == their_dim.dim_value, (name, type, other)
        whole += all(d.HasField("dim_value") or d.dim_param for _, d in pairs)
    return whole, len(ours)


# --- comparing


def _compare_fixed(general: Graph, fixed: Graph, sizes: dict[str, int]) -> None:
    """With numbers written for its symbols, a network has the types of before, filled in."""
    filled = {name: (type.dtype, _fixed(type, sizes)) for name, type in general.types.items()}
    assert filled == {name: (type.dtype, type.shape) for name, type in fixed.types.items()}


def _compare_types(outputs: Values, graph: Graph, sizes: dict[str, int], batch: int) -> None:
    for port in graph.outputs:
        type, value = graph.types[port.value], outputs[port.name]
        expected = (batch, *_fixed(type, sizes)), _DTYPES[type.dtype]
        assert (tuple(value.shape), value.dtype) == expected, port.name


def _compare_values(
    theirs: Values, ours: Values, module: nn.Module, given: Values, graph: Graph
) -> str:
    """Compare to 1e-5; why that is too much to ask, where rounding in PyTorch itself shows so.

    Where it does, the bound is a hundred times PyTorch's own distance from double precision.
    """
    if all(_distance(theirs[name], ours[name]) <= TOLERANCE for name in ours):
        return ""
    exact, on_edge = _exact(module, given, graph)
    if on_edge:
        return "a step is fed a value at its edge"
    rounding = max(_distance(ours[name], exact[name]) for name in ours)
    assert rounding > TOLERANCE / 10, _differences(theirs, ours)
    bound = 100 * rounding
    assert all(_distance(theirs[n], exact[n]) <= bound for n in ours), _differences(theirs, exact)
    return "rounding grows"


def _distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The greatest difference, relative to the greatest value where that is over 1."""
    a, b = a.double(), b.double()
    same = (a == b) | (a.isnan() & b.isnan())
    difference = torch.where(same, torch.zeros_like(a), (a - b).abs())
    scale = b.abs().nan_to_num(1, 1, 1).max().clamp(min=1) if b.numel() else 1
    return float(difference.nan_to_num(torch.inf).max() / scale) if b.numel() else 0.0


def _differences(theirs: Values, ours: Values) -> str:
    found = {name: _distance(theirs[name], ours[name]) for name in ours}
    return f"values differ from ONNX Runtime's: {found}"
