"""What a step of training minimises, as a function: `compute(model, batch)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.docstrings import docstring
from dlspec.backends.torch.imports import KNOWN, import_lines, used_names
from dlspec.backends.torch.names import variable
from dlspec.backends.torch.printer import WIDTH, literal, quoted, statement
from dlspec.ir.forms import Unsupported
from dlspec.ir.graph import CallNode, LayerNode, Program
from dlspec.ir.losses import Loss
from dlspec.ir.losstargets import class_axis
from dlspec.ir.mixing import mixed_classes
from dlspec.ir.objective import LossNode, NoiseNode, Objective, ObjectiveNode, PenaltyNode
from dlspec.ir.training import TrainPlan
from dlspec.layers import snake_case

LONGEST_INLINE = 60
_ROLES = {"loss": "term", "gradient_penalty": "penalty"}
"""What values without a name of their own are called."""


class Functions:
    """The functions of a plan's objectives, and what they borrow.

    classes: the class of each model's name.
    """

    def __init__(self, program: Program, plan: TrainPlan, classes: Mapping[str, str]) -> None:
        self.program = program
        self.plan = plan
        self.classes = classes
        self.sources: list[str] = []
        self.mixed = mixed_classes(plan, program.data[plan.data], program.objectives)
        self.names: dict[str, str] = {}
        """Key of an objective to the name of its function."""
        used: set[str] = set()
        for step in plan.each_batch:
            for key in (step.objective, f"{step.objective}.evaluation"):
                objective = program.objectives.get(key)
                if objective is None:
                    continue
                name = self._name(key, step.name)
                function = _Function(self, objective, name, training=key == step.objective)
                self.sources.append("\n".join(function.lines()))
                self.names[key] = name
                used |= function.borrowed
        self.borrowed: tuple[Borrowed, ...] = (
            (borrow("training/losses.py", *sorted(used)),) if used else ()
        )

    def _name(self, key: str, step: str) -> str:
        if len(self.plan.each_batch) > 1 or step != "loss":
            return f"{step}_figures" if key.endswith(".evaluation") else f"{step}_loss"
        if f"{key}.evaluation" in self.program.objectives:
            return "compute_in_training"
        return "compute"

    def parameters(self) -> dict[str, str]:
        """The models as parameters: name of the model to name of the variable."""
        if len(self.classes) == 1:
            return dict.fromkeys(self.classes, "model")
        return {name: model_variable(name) for name in self.classes}


_OF_THE_LOOP = (
    *("batch", "batches", "copy", "count", "data", "device", "epoch", "epochs", "follow"),
    *("freeze", "group", "loss", "losses", "math", "model", "numbers", "order", "parts"),
    *("splits", "step", "steps", "steps_per_epoch", "together", "total", "weights"),
)
"""Names that the loop has itself."""


def model_variable(name: str) -> str:
    """What the model of that name is called where there are several."""
    return variable(snake_case(name), _OF_THE_LOOP)


def emit_functions(program: Program, plan: TrainPlan) -> str:
    """The functions of a plan's objectives as a module; `OBJECTIVES` has their names by key.

    Raises BackendProblem where PyTorch cannot express one.
    """
    classes = {name: name for name in (program.graphs[key].name for key in plan.models)}
    functions = Functions(program, plan, classes)
    borrowed = [source for one in functions.borrowed for source in one.sources]
    code = "\n\n\n".join([*borrowed, *functions.sources])
    names = ", ".join(f"{quoted(k)}: {quoted(n)}" for k, n in functions.names.items())
    used = used_names(code)
    imports = import_lines(one for name, one in KNOWN.items() if name in used)
    head = ["from __future__ import annotations", "", *imports, ""]
    return "\n".join([*head, f"OBJECTIVES = {{{names}}}", "", "", code, ""])


class _Function:
    def __init__(
        self, functions: Functions, objective: Objective, name: str, *, training: bool
    ) -> None:
        self.functions = functions
        self.objective = objective
        self.name = name
        self.training = training
        self.models = functions.parameters()
        self.borrowed: set[str] = set()
        self.texts: dict[str, str] = {}
        """Value to what stands for it: a name, or an expression used once."""
        self.taken = {*self.models.values(), "batch", "loss"}
        self.uses = self._counted()
        self.scalars: set[str] = set()
        """Values that are one number for the whole batch."""

    def lines(self) -> list[str]:
        """The function from `def` on."""
        objective = self.objective
        body: list[str] = []
        for port in objective.inputs:
            self.texts[port.value] = self._variable(port.name)
            body += statement(f"{self.texts[port.value]} = ", f"batch[{quoted(port.name)}]", 4)
        for node in objective.nodes:
            body += self._node(node)
        loss = objective.value("loss")
        assert loss is not None
        text = self.texts[loss] if loss in self.scalars else f"{_wrapped(self.texts[loss])}.mean()"
        scores, target = objective.value("scores"), objective.value("target")
        if scores is None or target is None:
            return [*self._head(("Tensor",)), *body, *statement("return ", text, 4)]
        body += statement("loss = ", text, 4) if text != "loss" else []
        results = f"loss, {self.texts[scores]}, {self.texts[target]}"
        return [*self._head(("Tensor",) * 3), *body, *statement("return ", results, 4)]

    def _head(self, results: tuple[str, ...]) -> list[str]:
        returned = results[0] if len(results) == 1 else f"tuple[{', '.join(results)}]"
        arguments = [f"{v}: {self.functions.classes[m]}" for m, v in self.models.items()]
        line = f"def {self.name}({', '.join(arguments)}, batch: Batch) -> {returned}:"
        text = (
            "The loss of a batch, and the scores and the target that it compares."
            if len(results) == 3
            else "What is minimised, of a batch."
        )
        if len(line) > WIDTH:
            arguments = [*arguments, "batch: Batch"]
            inner = f"    {', '.join(arguments)}"
            split = [inner] if len(inner) <= WIDTH else [f"    {a}," for a in arguments]
            return [f"def {self.name}(", *split, f") -> {returned}:", *docstring(text, 4)]
        return [line, *docstring(text, 4)]

    def _counted(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for node in self.objective.nodes:
            twice = isinstance(node, LossNode) and node.value is not None
            for value in node.inputs:
                counts[value] = counts.get(value, 0) + 1 + twice
        for port in self.objective.outputs:
            counts[port.value] = counts.get(port.value, 0) + 1 + (port.name != "loss")
        return counts

    def _node(self, node: ObjectiveNode) -> list[str]:
        if isinstance(node, CallNode):
            return self._call(node)
        value = node.outputs[0]
        text = self._expression(node)
        if isinstance(node, LossNode | PenaltyNode) or (
            isinstance(node, LayerNode) and all(name in self.scalars for name in node.inputs)
        ):
            self.scalars.add(value)
        named = value != node.path or isinstance(node, NoiseNode)
        return self._kept(value, text, named=named, wanted="" if named else _ROLES.get(node.op, ""))

    def _kept(self, value: str, text: str, *, named: bool, wanted: str = "") -> list[str]:
        """Nothing where the expression can stand where it is used, else an assignment."""
        last = value == self.objective.value("loss")
        if self.uses.get(value, 0) == 1 and (last or (not named and len(text) <= LONGEST_INLINE)):
            self.texts[value] = text
            return []
        self.texts[value] = self._variable(wanted or value)
        return statement(f"{self.texts[value]} = ", text, 4)

    def _variable(self, wanted: str) -> str:
        name = variable(wanted, self.taken)
        self.taken.add(name)
        return name

    def _call(self, node: CallNode) -> list[str]:
        assert node.shares is not None
        graph = self.functions.program.graphs[node.graph]
        model = self.models[node.shares]
        method = f"{model}.logits" if node.logits else model
        text = f"{method}({', '.join(self.texts[name] for name in node.inputs)})"
        ports = (*graph.outputs, *graph.auxiliaries)
        by_name = len(graph.outputs) > 1 or (self.training and bool(graph.auxiliaries))
        if not by_name:
            text = self._float(node.outputs[0], text)
            scores = node.outputs[0] == self.objective.value("scores")
            named = node.outputs[0] not in (node.path, f"{node.path}_logits")
            wanted = "scores" if scores else "" if named else "logits" if node.logits else ""
            return self._kept(node.outputs[0], text, named=named or scores, wanted=wanted)
        results = self._variable("results")
        for value, port in zip(node.outputs, ports, strict=False):
            self.texts[value] = self._float(value, f"{results}[{quoted(port.name)}]")
        lines = statement(f"{results} = ", text, 4)
        for value in node.outputs:
            if self.uses.get(value, 0) > 1:
                found = self.texts[value]
                scores = value == self.objective.value("scores")
                self.texts[value] = self._variable("scores" if scores else value)
                lines += statement(f"{self.texts[value]} = ", found, 4)
        return lines

    def _float(self, value: str, text: str) -> str:
        """Losses are computed in float32 where the model computes in bf16."""
        compared = any(isinstance(n, LossNode) and value in n.inputs for n in self.objective.nodes)
        narrow = self.functions.plan.precision != "float32"
        return f"{text}.float()" if narrow and compared else text

    def _expression(self, node: ObjectiveNode) -> str:
        texts = [self.texts[name] for name in node.inputs]
        if isinstance(node, LossNode):
            return self._loss(node, texts)
        if isinstance(node, NoiseNode):
            function = "torch.randn" if node.distribution == "normal" else "torch.rand"
            sizes = ", ".join(literal(size) for size in node.shape)
            return f"{function}(len({texts[0]}), {sizes}, device={texts[0]}.device)"
        if isinstance(node, PenaltyNode):
            assert node.shares is not None
            self.borrowed.add("gradient_penalty")
            return f"gradient_penalty({self.models[node.shares]}, {texts[0]}, {texts[1]})"
        if isinstance(node, LayerNode):
            return self._layer(node, texts)
        count = f"len({texts[0]}), device={texts[0]}.device"
        return f"{texts[0]}[torch.randperm({count})]"

    def _layer(self, node: LayerNode, texts: list[str]) -> str:
        form = node.layer.torch(self.objective.input_types(node), self.objective.output_types(node))
        if isinstance(form, Unsupported) or form.functional is None:
            because = (
                form.because
                if isinstance(form, Unsupported)
                else "it behaves in training as in no other place, which takes a module"
            )
            raise BackendProblem(
                "E0415",
                f"`{node.layer.kind}` cannot stand in a step because {because}",
                graph=self.objective.key,
                node=node.path,
                help="put it into a model",
            )
        return _filled(form.functional, texts)

    # --- losses

    def _loss(self, node: LossNode, texts: list[str]) -> str:
        loss, scores = node.loss, texts[0]
        types = self.objective.input_types(node)
        if node.value is not None:
            filled = {1.0: "ones_like", 0.0: "zeros_like"}.get(node.value)
            target = (
                f"torch.{filled}({scores})"
                if filled
                else f"torch.full_like({scores}, {literal(node.value)})"
            )
        elif loss.kind == "ctc":  # its target has another length than its scores
            target = texts[1]
        elif loss.target == "classes":
            target = texts[1]
            axis = class_axis(*types)
            # A mixed field has class numbers, and in training shares of classes.
            if types[1].shape == (1,) and types[0].rank == 1 and not self._mixed(node):
                target = f"{target}.flatten()"
            elif axis is not None and axis > 0:
                scores, target = f"{scores}.flatten(0, -2)", f"{target}.flatten()"
        else:
            target = _value_target(texts, types[0].shape == types[1].shape, types[1].dtype)
        if loss.own:
            self.borrowed.add(loss.function)
        return f"{loss.function}({', '.join([scores, target, *_keywords(loss, texts[0])])})"

    def _mixed(self, node: LossNode) -> bool:
        """Whether a loss compares with a field that training examples mix."""
        fields = {port.value: port.name for port in self.objective.inputs}
        return fields.get(node.inputs[-1]) in self.functions.mixed


def _value_target(texts: list[str], same: bool, dtype: str) -> str:
    """A target in the type and the shape of the scores."""
    scores, target = texts
    if dtype != "float":
        target = f"{target}.to({scores}.dtype)"
    return target if same else f"{target}.view_as({scores})"


def _keywords(loss: Loss, scores: str) -> list[str]:
    """The loss's own arguments; numbers for classes lie where the scores do."""
    return [
        f"{name}={scores}.new_tensor({literal(value)})"
        if isinstance(value, tuple)
        else f"{name}={literal(value)}"
        for name, value in loss.arguments().items()
    ]


def _filled(template: str, texts: list[str]) -> str:
    """A layer's expression over others: in brackets but where one is a whole argument."""

    def written(match: re.Match[str]) -> str:
        text = texts[int(match[1])]
        before, behind = template[: match.start()], template[match.end() :]
        alone = before.endswith(("(", ", ")) and behind.startswith((")", ","))
        return text if alone else _wrapped(text)

    return re.sub(r"\{(\d+)\}", written, template)


def _wrapped(text: str) -> str:
    """An expression that an operator may stand beside."""
    whole = ast.parse(text, mode="eval").body
    atoms = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.Constant)
    return text if isinstance(whole, atoms) else f"({text})"
