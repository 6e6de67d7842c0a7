"""What specs mean: names of weights, shapes, sharing, loops, arguments; by their programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlspec.ir.graph import Graph, LayerNode, Program
from dlspec.ir.walk import buffer_shapes, walk, weight_shapes
from dlspec.passes.measure import totals
from dlspec.pipeline import Compiled, compile_file, compile_text

RESNET = (Path(__file__).parent.parent / "specs" / "resnet.dlnet").read_text(encoding="utf-8")


def good(text: str, **overrides: str) -> Program:
    """The program of a text that must be without errors."""
    compiled = compile_text(text, overrides=overrides)
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


def body(lines: str, shape: str = "float[8, 16, 16]") -> tuple[Program, Graph]:
    """A model of these lines."""
    program = good(f"model M {{\n  input x: {shape}\n{lines}\n}}\n")
    return program, program.model("M")


def output_shape(lines: str, shape: str = "float[8, 16, 16]") -> str:
    _, graph = body(lines, shape)
    return graph.types[graph.outputs[0].value].shape_text()


def codes(compiled: Compiled) -> list[str]:
    return [d.code for d in compiled.diagnostics]


def test_blocks_are_kept() -> None:
    """Sixteen uses of a block are sixteen calls of the few graphs that differ."""
    program = good(RESNET)
    calls = [node for node in program.model("ResNet").nodes if node.op == "call"]
    assert len(calls) == 16
    assert len({node.graph for node in calls}) == 8
    assert [node.path for node in calls][:3] == ["bottleneck1", "bottleneck2", "bottleneck3"]
    longer = good(RESNET, depth="152")
    assert len(longer.graphs) == len(program.graphs)


# --- names of weights ----------------------------------------------------------------


def test_weights_are_named_by_place() -> None:
    program, graph = body("""
  Conv(8, 3, padding=1, activation=relu) -> BatchNorm
  skip = it -> Conv(8, 1)
  Conv(8, 3, padding=1) as tap -> ReLU
  (Conv(8, 1) -> ReLU) as two
  Conv(8, 3, padding=1)
  it + skip + tap + two
  repeat 2 { Conv(4, 1) }
  layer head = Dense(5)
  Flatten -> head
    """)
    assert [path for path in weight_shapes(program, graph) if path.endswith(".weight")] == [
        "conv1.weight",
        "batch_norm1.weight",
        "skip.weight",
        "tap.weight",
        "conv2.weight",
        "conv3.weight",
        "conv4.weight",
        "conv5.weight",
        "head.weight",
    ]
    assert list(buffer_shapes(program, graph)) == [
        "batch_norm1.running_mean",
        "batch_norm1.running_var",
    ]


def test_activation_is_the_stage_behind() -> None:
    _, one = body("  Conv(8, 3, activation=leaky_relu)")
    _, two = body("  Conv(8, 3) -> LeakyReLU")
    assert one == two
    _, three = body("  Conv(8, 3, activation=leaky_relu(0.2))")
    _, four = body("  Conv(8, 3) -> LeakyReLU(0.2)")
    assert three == four


def test_layer_shares_its_weights() -> None:
    program, graph = body("""
  layer same = Conv(8, 3, padding=1)
  it -> same -> ReLU
  it -> same
    """)
    assert list(weight_shapes(program, graph)) == ["same.weight", "same.bias"]
    assert [node.shares for _, _, node in walk(program, graph)] == [None, None, "same"]
    assert totals(program, graph).macs == 2 * 8 * 8 * 9 * 256


def test_parameter_is_a_weight() -> None:
    program, graph = body("""
  parameter scale: float[8, 1, 1] = normal(0.02)
  it * scale
    """)
    assert weight_shapes(program, graph) == {"scale": (8, 1, 1)}
    assert totals(program, graph).parameters == 8


# --- the flow ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "shape"),
    [
        ("  Conv(4, 3) -> MaxPool(2)", "[4, 7, 7]"),
        ("  (Conv(4, 1), it, x) -> Concat", "[20, 16, 16]"),
        ("  a, b = it -> Split(2, axis=0)\n  a * b", "[4, 16, 16]"),
        ("  it -> if it.channels > 4 { Conv(3, 1) } else { Conv(5, 1) }", "[3, 16, 16]"),
        ("  it -> if it.channels > 40 { Conv(3, 1) }", "[8, 16, 16]"),
        ("  for w in [4, 2] { Conv(w, 1) -> ReLU }", "[2, 16, 16]"),
        ("  for (i, w) in enumerate([4, 2]) { Conv(w + i, 1) }", "[3, 16, 16]"),
        ("  for (a, b) in zip([1, 2], [3, 4]) { Conv(a + b, 1) }", "[6, 16, 16]"),
        ("  repeat 3 { MaxPool(2) }", "[8, 2, 2]"),
        ("  repeat 0 { MaxPool(2) }", "[8, 16, 16]"),
        ("  it[0]", "[16, 16]"),
        ("  it[2..5]", "[3, 16, 16]"),
        ("  mean(it, axis=0)", "[16, 16]"),
        ("  x -> { Conv(3, 1) -> ReLU }", "[3, 16, 16]"),
        ("  2 * it - 1 / (it + 3)", "[8, 16, 16]"),
        ("  it + (Conv(8, 1) -> ReLU)", "[8, 16, 16]"),
        ("  Conv(2 * 3 - 1, 1) -> (Conv(2, 1), Identity) -> Concat", "[7, 16, 16]"),
        ("  Conv(max(2, 3), min([4, 1]))", "[3, 16, 16]"),
        ("  Conv(int(7 / 2), 1)\n  Conv(it.channels * 2**2, 1)", "[12, 16, 16]"),
    ],
)
def test_shapes_flow(lines: str, shape: str) -> None:
    assert output_shape(lines) == shape


def test_it_is_the_value_that_the_line_began_with() -> None:
    """In every argument and branch of a line `it` is what the line began with."""
    assert (
        output_shape(
            "  Conv(4, 1) -> { it + Conv(it.channels, 1) }\n  (Conv(it.channels, 1), it) -> Concat"
        )
        == "[8, 16, 16]"
    )


def test_several_inputs_and_outputs() -> None:
    program = good("""
model Pair {
  input left: float[4]
  input right: float[4]
  layer shared = Dense(3)
  l = left -> shared
  r = right -> shared
  output sum = l + r
  output both = (l, r) -> Concat
}""")
    graph = program.model("Pair")
    assert [port.name for port in graph.inputs] == ["left", "right"]
    assert [(p.name, str(graph.types[p.value])) for p in graph.outputs] == [
        ("sum", "float[3]"),
        ("both", "float[6]"),
    ]


def test_run_time_sizes_take_part_in_arithmetic() -> None:
    program = good("""
model Sequence {
  input x: float[?length, 8]
  parameter token: float[1, 8]
  (token, x) -> Concat(axis=0)
}""")
    graph = program.model("Sequence")
    assert graph.types[graph.outputs[0].value].shape_text() == "[?length + 1, 8]"


def test_stages_are_values_for_blocks() -> None:
    program = good("""
block Residual(body) { it + (it -> body) }
model M(act=relu) {
  input x: float[8, 16, 16]
  Residual(Conv(8, 3, padding=1, activation=act) -> BatchNorm)
}""")
    assert list(weight_shapes(program, program.model("M"))) == [
        "residual1.conv1.weight",
        "residual1.conv1.bias",
        "residual1.batch_norm1.weight",
        "residual1.batch_norm1.bias",
    ]


def test_a_model_is_a_stage_of_another() -> None:
    program = good("""
model Inner(units=3) {
  input x: float[4]
  Dense(units)
}
model Outer {
  input y: float[4]
  Inner(5) -> Dense(2)
}""")
    assert list(weight_shapes(program, program.model("Outer"))) == [
        "inner1.dense1.weight",
        "inner1.dense1.bias",
        "dense1.weight",
        "dense1.bias",
    ]
    assert weight_shapes(program, program.model("Inner"))["dense1.weight"] == (3, 4)


# --- training, overrides, JSON ---------------------------------------------------------


def test_train_chooses_arguments() -> None:
    text = """
model M(units) {
  input image: float[1, 8, 8]
  Flatten -> Dense(units)
}
data D { source = digits() }
train M(units=10) on D {
  loss = cross_entropy
  optimizer = sgd(0.1)
  epochs = 1
}
"""
    program = good(text)
    plan = program.trains[0]
    assert program.graphs[plan.model].arguments == {"units": 10}
    assert plan.each_batch[0].optimizer.lr == 0.1
    assert good(text, **{"train.optimizer.lr": "0.5"}).trains[0].each_batch[0].optimizer.lr == 0.5
    for key in ("units", "M.units"):
        compiled = compile_text(text, overrides={key: "12"})
        assert compiled.checked().graphs["M"].arguments == {"units": 12}
        assert compile_text(compiled.resolved()).program == compiled.program


def test_search_ranges_are_checked_and_otherwise_ignored() -> None:
    text = "model M(units = 5 in 1 .. {top}) {{\n  input x: float[4]\n  Dense(units)\n}}\n"
    assert good(text.format(top=10)).models == ("M",)
    assert codes(compile_text(text.format(top=4))) == ["E0310"]


def test_resolved_spec_gives_the_same_program() -> None:
    compiled = compile_file("specs/lenet.dlnet", {"classes": "12", "train.epochs": "3"})
    text = compiled.resolved()
    again = compile_text(text)
    assert again.program == compiled.program
    assert again.resolved() == text


def test_ir_reads_itself_back() -> None:
    from dlspec.layers import all_layers

    program = good(RESNET)
    kinds = {layer.kind: layer for layer in all_layers()}
    text = program.model_dump_json()
    assert Program.model_validate_json(text, context={"layers": kinds.get}) == program


def test_equal_programs_compare_equal_wherever_they_stand() -> None:
    assert good(RESNET) == good("\n\n\n" + RESNET)


def test_a_use_brings_declarations_with_their_scope(tmp_path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "blocks.dlnet").write_text(
        "let eps = 1e-3\nblock Norm { BatchNorm(eps=eps) }\n"
    )
    main = tmp_path / "main.dlnet"
    main.write_text(
        'use Norm from "parts/blocks.dlnet"\nmodel M {\n  input x: float[3, 8, 8]\n  Norm\n}\n'
    )
    program = compile_file(main).checked()
    node = program.graphs["Norm"].nodes[0]
    assert isinstance(node, LayerNode)
    assert node.layer.eps == 1e-3


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("../outside.dlnet", "leaves the folder"),
        ("/etc/passwd", "is absolute"),
        ("missing.dlnet", "does not exist"),
        ("link.dlnet", "leaves the folder"),
        ("std:nothing", "no packaged spec"),
    ],
)
def test_a_use_stays_inside(tmp_path, path: str, part: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.dlnet").write_text("block A { ReLU }\n")
    (root / "link.dlnet").symlink_to(tmp_path / "outside.dlnet")
    main = root / "main.dlnet"
    main.write_text(f'use A from "{path}"\nmodel M {{\n  input x: float[3]\n  A\n}}\n')
    compiled = compile_file(main)
    assert codes(compiled) == ["E0207"]
    assert part in compiled.diagnostics[0].message


def test_a_circle_of_uses_ends(tmp_path) -> None:
    (tmp_path / "a.dlnet").write_text('use B from "b.dlnet"\nblock A { B }\n')
    (tmp_path / "b.dlnet").write_text('use A from "a.dlnet"\nblock B { A }\n')
    assert "E0208" in codes(compile_file(tmp_path / "a.dlnet"))


def test_layers_are_numbered_in_the_order_of_the_page() -> None:
    program, graph = body("""
  (Conv(1, 1), Conv(2, 1) -> Conv(3, 1), Conv(4, 1)) -> Concat
  Conv(5, 1) + (Conv(6, 1) -> Conv(5, 1))
    """)
    sizes = [shape[0] for name, shape in weight_shapes(program, graph).items() if "weight" in name]
    assert sizes == [1, 2, 3, 4, 5, 6, 5]


def test_names_that_python_keeps_get_an_underscore() -> None:
    program, graph = body("  Conv(8, 3) as eval -> ReLU\n  class = it -> Conv(8, 1)\n  it + class")
    assert list(weight_shapes(program, graph)) == [
        "eval_.weight",
        "eval_.bias",
        "class_.weight",
        "class_.bias",
    ]


def test_a_run_keeps_what_its_spec_uses(tmp_path) -> None:
    files = compile_file("specs/lenet_mnist.dlnet").resolved_files()
    assert set(files) == {"spec.dlnet", "lenet.dlnet"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    again = compile_file(tmp_path / "spec.dlnet")
    assert again.program == compile_file("specs/lenet_mnist.dlnet").program


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("x.shape[0] == x.shape[0]", []),
        ("x.shape[0] == 0", []),
        ("x.shape[0] + 1 == x.shape[0]", []),
        ("x.shape == [x.shape[0], 8]", []),
        ("x.shape == [2, 9]", []),
        ("x.shape == [2]", []),
        ("x.shape[0] == 2", ["E0410"]),
        ("x.shape[0] != 2", ["E0410"]),
        ("x.shape == [2, 8]", ["E0410"]),
    ],
)
def test_an_equality_that_only_run_time_can_tell_is_not_guessed(
    condition: str, found: list[str]
) -> None:
    text = f"model M {{\n  input x: float[?n, 8]\n  if {condition} {{ ReLU }} else {{ Tanh }}\n}}\n"
    assert codes(compile_text(text)) == found


def test_a_model_with_a_parameter_to_give_may_stand_above_its_user() -> None:
    part = "model Part(width) {\n  input x: float[3]\n  Dense(width)\n}\n"
    whole = "model Whole {\n  input x: float[3]\n  Part(4)\n}\n"
    assert good(part + whole).models == good(whole + part).models == ("Whole",)
    assert codes(compile_text(part)) == ["E0302"]


def test_a_seed_below_0_is_refused_in_words_that_say_so() -> None:
    compiled = compile_text("data D {\n  source = digits()\n  seed = -1\n}\n")
    assert [(d.code, "from 0 to" in d.message) for d in compiled.diagnostics] == [("E0303", True)]


@pytest.mark.parametrize("init", ["zeros", "he_normal", "normal(0.02)"])
def test_a_start_of_weights_is_refused_once(init: str) -> None:
    text = f"model M {{\n  input x: float[3]\n  Dense(4, init={init}, activation=relu)\n}}\n"
    assert codes(compile_text(text)) == ["E0210"]


def doubled(first: str, line: str, last: str) -> str:
    """Forty lines that each hold the one before twice, which is 2^40 things in all."""
    return first + "".join(line.format(i=i, next=i + 1) for i in range(40)) + last


HOSTILE = {
    "lists": doubled("let a0 = [1]\n", "let a{next} = [a{i}, a{i}]\n", ""),
    "zips": doubled("let a0 = [1]\n", "let a{next} = zip(a{i}, a{i})\n", ""),
    "sums of lists": doubled("let a0 = [[1, 2]]\n", "let a{next} = a{i} + a{i}\n", ""),
    "depth of lists": "let a0 = [1]\n" + "".join(f"let a{i + 1} = [a{i}]\n" for i in range(5_000)),
    "tensors": doubled(
        "block T {\n  a0 = (it, it)\n", "  a{next} = (a{i}, a{i})\n", "  a40 -> Concat\n}\n"
    ),
    "stages": doubled(
        "", "block B{i}(s) {{ B{next}(s -> s) }}\n", "block B40(s) { s }\nblock T { B0(ReLU) }\n"
    ),
    "forks": doubled(
        "",
        "block B{i}(s) {{ B{next}(ReLU -> (s, s)) }}\n",
        "block B40(s) { s }\nblock T { B0(ReLU) }\n",
    ),
    "blocks": "".join(f"block B{i} {{ B{i + 1} }}\n" for i in range(3_000))
    + "block B3000 { ReLU }\nblock T { B0 }\n",
    "braces": "".join(f"block B{i} {{ {'{ ' * 50}B{i + 1}{' }' * 50} }}\n" for i in range(50))
    + "block B50 { ReLU }\nblock T { B0 }\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_grows_by_doubling_or_nesting_is_refused(name: str) -> None:
    text = HOSTILE[name]
    user = "T" if "block T" in text else "repeat a40 { ReLU }"
    compiled = compile_text(text + f"model M {{\n  input x: float[3]\n  {user}\n}}\n")
    expected = {
        "depth of lists": "E0701",
        "blocks": "E0701",
        "braces": "E0701",
        "stages": "E0704",
        "forks": "E0704",
    }
    assert codes(compiled) == [expected.get(name, "E0307")]


def test_a_packaged_spec_uses_its_neighbours() -> None:
    program = good("""
use LeNet from "std:lenet_mnist"
model M {
  input image: float[1, 28, 28]
  LeNet
}""")
    assert totals(program, program.model("M")).parameters == 1_256_080


def test_a_used_packaged_spec_is_no_file_of_the_run(tmp_path: Path) -> None:
    main = tmp_path / "main.dlnet"
    main.write_text(
        'use LeNet from "std:lenet_mnist"\nmodel M {\n  input image: float[1, 28, 28]\n  LeNet\n}\n'
    )
    assert set(compile_file(main).resolved_files()) == {"spec.dlnet"}


def test_a_program_is_read_back_however_deep_its_network(tmp_path: Path) -> None:
    """A run is resumed from its JSON form, which is larger than any spec may be."""
    deep = good("model M {\n  input x: float[8]\n" + "  Dense(8) -> ReLU\n" * 8000 + "}\n")
    path = tmp_path / "deep.json"
    path.write_text(deep.model_dump_json(indent=1))
    assert path.stat().st_size > 4 * 2**20
    assert compile_file(path).program == deep
