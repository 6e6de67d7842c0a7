"""Unfolds a program into ONNX nodes, names and tensors.

Each layer says in neutral data which nodes it becomes (`dlspec.ir.forms`); here their local
names become names of the graph and their weights its tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper

from dlspec.backends.onnx.live import live_nodes
from dlspec.backends.onnx.names import Names
from dlspec.backends.onnx.tensors import Array, constant_array, given_array, initial_array
from dlspec.backends.onnx.values import batch_name, value_info
from dlspec.backends.problem import BackendProblem
from dlspec.ir.forms import OnnxDerived, OnnxForm, Unsupported
from dlspec.ir.graph import CallNode, Graph, LayerNode, ParameterNode, Program
from dlspec.ir.layer import Initial
from dlspec.ir.starts import started
from dlspec.ir.types import TensorType
from dlspec.ir.walk import buffer_shapes, weight_shapes

_LARGEST = 2**31 - 2**20
"""Bytes of weights in one file: protobuf's limit of 2 GiB, less room for the graph."""


class Assembly:
    """What comes together while a model is unfolded: nodes, types of values, makers of tensors."""

    def __init__(
        self,
        program: Program,
        graph: Graph,
        weights: Mapping[str, Array] | None,
        opset: int,
        seed: int,
    ) -> None:
        self._program, self._graph, self._weights = program, graph, weights
        self._opset, self._seed = opset, seed
        self._shapes = weight_shapes(program, graph) | buffer_shapes(program, graph)
        inputs = [port.name for port in graph.inputs]
        self._values = Names([*self._shapes, *inputs])
        self._node_names = Names()
        self._nodes: list[NodeProto] = []
        self._types: dict[str, TensorType] = {}
        self._tensors: dict[str, Callable[[], Array]] = {}
        self._forms: dict[tuple[str, str], OnnxForm] = {}
        self._outputs = [self._values.claim(port.name) for port in graph.outputs]
        first: dict[str, str] = {}
        for port, name in zip(graph.outputs, self._outputs, strict=True):
            first.setdefault(port.value, name)
        self._unfold(graph, {p.value: p.name for p in graph.inputs}, "", "", first)

    def fill(self, proto: GraphProto, batch: int | None) -> dict[str, Array]:
        """Write all that the outputs need into a graph, but for its tensors, which are given."""
        graph = self._graph
        nodes, used = _needed(self._nodes, self._outputs)
        size = batch_name(self._types.values()) if batch is None else batch
        proto.name, proto.doc_string = graph.name, graph.documentation
        for port in graph.inputs:
            type_ = graph.types[port.value]
            proto.input.append(value_info(port.name, type_, size, str(type_)))
        for port, name in zip(graph.outputs, self._outputs, strict=True):
            type_ = graph.types[port.value]
            proto.output.append(value_info(name, type_, size, str(type_)))
        ends = {value.name for value in (*proto.input, *proto.output)}
        proto.value_info.extend(
            value_info(name, type_, size)
            for name, type_ in self._types.items()
            if name in used and name not in ends
        )
        proto.node.extend(nodes)
        makers = {name: make for name, make in self._tensors.items() if name in used}
        self._refuse_size(4 * sum(prod(self._shapes.get(name, ())) for name in makers))
        return {name: make() for name, make in makers.items()}

    def _refuse_size(self, size: int) -> None:
        if size > _LARGEST:
            raise BackendProblem(
                "E0416",
                f"the weights of `{self._graph.name}` take {size / 2**30:.1f} GiB; "
                "an ONNX file holds at most 2 GiB",
                graph=self._graph.key,
            )

    def _unfold(
        self,
        graph: Graph,
        env: dict[str, str],
        prefix: str,
        weights: str,
        wanted: Mapping[str, str],
    ) -> dict[str, str]:
        """Add the nodes of a graph; returns the ONNX name of each of its values.

        env:     names of its inputs; prefix, weights: what stands before paths, and before
                 names of weights (another use's, where they are shared)
        wanted:  names that some of its values must get
        """
        for value, name in env.items():
            self._types.setdefault(name, graph.types[value])
        for node in live_nodes(graph):
            owner = weights + (node.shares or node.path)
            if isinstance(node, CallNode):
                self._call(node, env, prefix, owner, wanted)
                continue
            outputs = {
                value: wanted.get(value) or self._values.claim(prefix + value)
                for value in node.outputs
            }
            if isinstance(node, ParameterNode):
                self._parameter(graph, node, outputs[node.outputs[0]], owner)
                env |= outputs
            else:
                env |= self._layer(graph, node, env, outputs, prefix + node.path, owner)
            self._types.update({env[value]: graph.types[value] for value in node.outputs})
        if not prefix:
            self._rename_outputs(env)
        return env

    def _rename_outputs(self, env: Mapping[str, str]) -> None:
        """Give outputs that are inputs, or are two at once, a value of their own."""
        for port, name in zip(self._graph.outputs, self._outputs, strict=True):
            if env[port.value] != name:
                self._add("Identity", [env[port.value]], [name], name)

    def _call(
        self,
        node: CallNode,
        env: dict[str, str],
        prefix: str,
        owner: str,
        wanted: Mapping[str, str],
    ) -> None:
        inner = self._program.graphs[node.graph]
        given = {
            port.value: env[value] for port, value in zip(inner.inputs, node.inputs, strict=True)
        }
        results = dict(zip(node.outputs, (port.value for port in inner.outputs), strict=True))
        passed: dict[str, str] = {}
        for outer, value in results.items():
            if outer in wanted and value not in given:
                passed.setdefault(value, wanted[outer])
        before = len(self._nodes)
        made = self._unfold(inner, given, f"{prefix}{node.path}.", owner + ".", passed)
        if inner.documentation and len(self._nodes) > before:
            first = self._nodes[before]
            first.doc_string = "\n\n".join(filter(None, (inner.documentation, first.doc_string)))
        env |= {outer: made[value] for outer, value in results.items()}

    def _layer(
        self,
        graph: Graph,
        node: LayerNode,
        env: Mapping[str, str],
        outputs: Mapping[str, str],
        path: str,
        owner: str,
    ) -> dict[str, str]:
        """Add the nodes of a layer; returns the names of its results."""
        form = self._form(graph, node, path)
        if not form.nodes:
            return {y: env[x] for x, y in zip(node.inputs, node.outputs, strict=True)}
        local = {"": ""} | {f"x{n}": env[value] for n, value in enumerate(node.inputs)}
        local |= {f"y{n}": outputs[value] for n, value in enumerate(node.outputs)}
        for step in form.nodes:
            for name in (*step.inputs, *step.outputs):
                if name not in local:
                    local[name] = self._local(graph, node, form, name, path, owner)
        last = len(form.nodes) - 1
        for number, step in enumerate(form.nodes):
            name = path if number == last else f"{path}.{step.op.lower()}"
            if not onnx.defs.has(step.op, self._opset):
                raise BackendProblem(
                    "E0416",
                    f"`{node.layer.kind}` (`{path}`) needs ONNX's `{step.op}`, which "
                    f"opset {self._opset} does not have",
                    graph=graph.key,
                    node=node.path,
                    help="choose a newer opset",
                )
            self._add(
                step.op,
                [local[x] for x in step.inputs],
                [local[y] for y in step.outputs],
                name,
                step.attributes,
            )
        return dict(outputs)

    def _form(self, graph: Graph, node: LayerNode, path: str) -> OnnxForm:
        """The form of a layer, asked for once however often its block is used."""
        key = (graph.key, node.path)
        if key not in self._forms:
            form = node.layer.onnx(graph.input_types(node), graph.output_types(node))
            if isinstance(form, Unsupported):
                raise BackendProblem(
                    "E0416",
                    f"`{node.layer.kind}` (`{path}`) cannot be "
                    f"expressed in ONNX because {form.because}",
                    graph=graph.key,
                    node=node.path,
                )
            self._forms[key] = form
        return self._forms[key]

    def _local(
        self, graph: Graph, node: LayerNode, form: OnnxForm, name: str, path: str, owner: str
    ) -> str:
        """The name in the graph of a weight, constant, derived weight or value in between."""
        family, _, rest = name.partition(".")
        if family == "w":
            full = f"{owner}.{rest}"
            self._tensors[full] = partial(self._weight, graph, node, owner, rest)
            return full
        full = self._values.claim(f"{path}.{rest}")
        if family == "c":
            self._tensors[full] = partial(constant_array, form.constants[rest])
        elif family == "d":
            self._tensors[full] = partial(self._derived, graph, node, owner, form.derived[rest])
        elif family != "t":
            raise AssertionError(f"`{node.layer.kind}` names `{name}` in its ONNX form")
        return full

    def _weight(self, graph: Graph, node: LayerNode, owner: str, name: str) -> Array:
        full = f"{owner}.{name}"
        shape = self._shapes[full]
        if self._weights is not None:
            return given_array(full, shape, self._weights)
        initial = started(node.layer, graph.input_types(node), node.start)[name]
        return initial_array(full, shape, initial, self._seed)

    def _derived(self, graph: Graph, node: LayerNode, owner: str, derived: OnnxDerived) -> Array:
        pieces = [
            self._weight(graph, node, owner, name)[start:stop]
            for name, start, stop in derived.pieces
        ]
        return np.concatenate(pieces).reshape(derived.shape)

    def _parameter(self, graph: Graph, node: ParameterNode, output: str, full: str) -> None:
        """A learned tensor, repeated for every example of the batch."""
        shape = self._shapes[full]
        initial = node.start.initial(shape)
        self._tensors[full] = partial(self._parameter_array, full, shape, initial)
        batch, size, whole = (
            self._values.claim(f"{output}.{part}") for part in ("batch", "size", "shape")
        )
        self._tensors[size] = partial(np.array, shape, np.int64)
        self._add("Shape", [self._graph.inputs[0].name], [batch], batch, {"start": 0, "end": 1})
        self._add("Concat", [batch, size], [whole], whole, {"axis": 0})
        self._add("Expand", [full, whole], [output], output)

    def _parameter_array(self, name: str, shape: tuple[int, ...], initial: Initial) -> Array:
        if self._weights is not None:
            return given_array(name, shape, self._weights)
        return initial_array(name, shape, initial, self._seed)

    def _add(
        self,
        op: str,
        inputs: list[str],
        outputs: list[str],
        name: str,
        attributes: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        node = NodeProto(
            op_type=op, name=self._node_names.claim(name), input=inputs, output=outputs
        )
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in attributes.items()
        )
        self._nodes.append(node)


def _needed(nodes: list[NodeProto], outputs: list[str]) -> tuple[list[NodeProto], set[str]]:
    """The nodes that the outputs need, in order, and every name that these use."""
    used = set(outputs)
    kept: list[NodeProto] = []
    for node in reversed(nodes):
        if not used.isdisjoint(node.output):
            used.update(node.input)
            used.update(node.output)
            kept.append(node)
    return kept[::-1], used
