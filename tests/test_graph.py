"""`dlspec graph`: the picture shows the network of the IR, and nothing in it overlaps."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import combinations
from pathlib import Path
from random import Random

import pygraphviz
import pytest
from PIL import Image, ImageFont
from random_specs import random_spec
from test_cli import run

import dlspec
from dlspec.backends.graph import FORMATS, PictureTooLarge, draw
from dlspec.backends.graph.captions import shape_text
from dlspec.backends.graph.drawing import Drawing
from dlspec.backends.graph.geometry import Area, Layout
from dlspec.backends.graph.layout import lay_out
from dlspec.backends.graph.palette import COLOURS
from dlspec.backends.graph.spine import spine
from dlspec.backends.graph.typeface import MEDIUM, REGULAR, font_files, width
from dlspec.ir.graph import CallNode, Graph, Program
from dlspec.ir.walk import walk
from dlspec.layers import all_layers
from dlspec.layers.families import FAMILIES, MODULES

SPECS = Path(__file__).parent.parent / "specs"
DOCS = SPECS.parent / "docs"
SVG = "{http://www.w3.org/2000/svg}"

UNET = """
# Halves and doubles.
model UNet(width=4, classes=2) {
  input image: float[3, 32, 32]
  skip1 = it -> Double(width)
  skip2 = skip1 -> MaxPool(2) -> Double(2 * width)
  skip2 -> MaxPool(2) -> Double(4 * width)
  (it, skip2) -> Up(2 * width)
  (it, skip1) -> Up(width)
  output mask = it -> Conv(classes, 1)
}
# Two convolutions.
block Double(width) { repeat 2 { Conv(width, 3, padding=1, bias=false) -> BatchNorm -> ReLU } }
block Up(width) {
  input deep: float[2 * width, ?height, ?breadth]
  input skip: float[width, 2 * ?height, 2 * ?breadth]
  (deep -> ConvTranspose(width, 2, stride=2), skip) -> Concat -> Double(width)
}
"""

MANY = """
block Shifted(width) { it + (Dense(width) -> ReLU) }
model Many(classes=5) {
  input image: float[3, 8, 8]
  input words: int[?length]
  layer embed = Embedding(100, 32)
  seen = image -> Conv(16, 3, padding=1) -> ReLU -> GlobalAvgPool
  read = words -> embed -> GRU(32, return=last)
  a, b = (seen, read) -> Concat -> Dense(64) -> Split(2)
  parameter token: float[32] = normal(0.02)
  output score = a * b -> Shifted(32) -> Shifted(32) -> Shifted(32) -> Dense(classes) -> Softmax
  output size = 0.5 * (a + token) - b -> Dense(1)
  auxiliary aux = read -> Dense(classes)
}
"""


def model(text: str, name: str | None = None) -> tuple[Program, Graph]:
    spec = dlspec.loads(text)
    found = spec.models[name] if name else next(iter(spec.models.values()))
    return spec.program, found.graph


def drawing(text: str, depth: int = 0) -> Drawing:
    return draw(*model(text), depth)


def packaged() -> list[tuple[str, str]]:
    """Every model of every packaged spec."""
    return [
        (path.name, name)
        for path in sorted(SPECS.glob("*.dlnet"))
        for name in dlspec.load(path).models
    ]


# --- the drawing and the IR ---------------------------------------------------


@pytest.mark.parametrize(("file", "name"), packaged())
def test_unfolded_pictures_have_every_layer_once(file: str, name: str) -> None:
    """A layer is one band, in a frame of as many as it stands for."""
    spec = dlspec.load(SPECS / file)
    drawn = draw(spec.program, spec.models[name].graph, 64)
    bands: Counter[str] = Counter()
    for box in drawn.boxes:
        if box.kind == "layers":
            times = 1
            frame = box.frame
            while frame is not None:
                times *= drawn.frames[frame].repeat
                frame = drawn.frames[frame].parent
            for band in box.bands:
                bands[band.name.split()[0]] += times
    layers = Counter(
        place.node.layer.kind
        for place in walk(spec.program, spec.models[name].graph)
        if place.node.op == "layer"
    )
    assert bands == layers


def plain_flow(program: Program, graph: Graph) -> Counter[tuple[str, str, str]]:
    """Who feeds whom with which shape, by path, read straight off a graph without blocks."""
    makers = {port.value: port.name for port in graph.inputs}
    flow: Counter[tuple[str, str, str]] = Counter()
    for node in graph.nodes:
        assert not isinstance(node, CallNode)
        for value in node.inputs:
            flow[makers[value], node.path, shape_text(graph.types[value])] += 1
        makers.update(dict.fromkeys(node.outputs, node.path))
    for port in (*graph.outputs, *graph.auxiliaries):
        flow[makers[port.value], port.name, shape_text(graph.types[port.value])] += 1
    return flow


def paths(drawn: Drawing, number: int) -> list[str]:
    """The paths of the layers that a box stands for, from its note; an end's name."""
    box = drawn.boxes[number]
    if box.kind in ("input", "output", "auxiliary"):
        return [box.bands[0].name]
    return [line.partition(":")[0] for line in box.note.splitlines() if ": " in line]


def test_edges_are_those_of_the_graph() -> None:
    """Without blocks: each use of a value is one edge, or two layers on one box."""
    text = MANY.replace("-> Shifted(32) -> Shifted(32) -> Shifted(32)", "").split("}\n", 1)[1]
    program, graph = model(text)
    drawn = draw(program, graph)
    found = Counter(
        (paths(drawn, edge.source)[-1], paths(drawn, edge.target)[0], edge.shape)
        for edge in drawn.edges
    )
    flow = plain_flow(program, graph)
    inside = flow - found
    assert not found - flow
    for (source, target, _), times in inside.items():
        assert times == 1
        assert any(
            (source, target) in zip(paths(drawn, n), paths(drawn, n)[1:], strict=False)
            for n in range(len(drawn.boxes))
        )


def test_resnet_is_a_column_of_few_boxes() -> None:
    spec = dlspec.load(SPECS / "resnet.dlnet")
    drawn = draw(spec.program, spec.models["ResNet"].graph)
    assert [box.repeat for box in drawn.boxes if box.kind == "block"] == [1, 2, 1, 3, 1, 5, 1, 2]
    assert len(drawn.boxes) == 14
    assert [band.name for band in drawn.boxes[1].bands] == ["Conv 7×7", "BatchNorm", "ReLU"]
    assert "A narrow, a 3×3 and a wide convolution" in drawn.boxes[3].note
    assert "bottleneck2…3" in drawn.boxes[4].note
    assert [edge.shape for edge in drawn.edges][:3] == ["3×224×224", "64×112×112", "64×56×56"]


def test_depth_unfolds_so_many_levels() -> None:
    frames = [len(drawing(UNET, depth).frames) for depth in (0, 1, 2, 3)]
    assert frames == [0, 5, 7, 7]
    assert {frame.parent for frame in drawing(UNET, 1).frames} == {None}
    assert {frame.title for frame in drawing(UNET, 2).frames if frame.parent} == {"Double"}


def test_what_a_frame_takes_several_times_comes_in_once() -> None:
    drawn = drawing(MANY, 1)
    (frame,) = drawn.frames
    assert (frame.title, frame.repeat) == ("Shifted", 3)
    (fork,) = [number for number, box in enumerate(drawn.boxes) if box.kind == "fork"]
    assert [edge.shape for edge in drawn.edges if edge.target == fork] == ["32"]
    assert [edge.shape for edge in drawn.edges if edge.source == fork] == ["", ""]


def test_shared_weights_are_said() -> None:
    text = "model M {\n input x: float[4]\n layer d = Dense(4)\n it -> d -> ReLU -> d\n}"
    notes = [box.note for box in drawing(text).boxes]
    assert sum("the weights are those of d" in note for note in notes) == 1


def test_a_block_of_one_box_is_that_box_and_stands_on_the_one_before() -> None:
    text = (
        "block Act { BatchNorm -> ReLU }\nblock CB(n) { Conv(n, 3) -> BatchNorm }\n"
        "model M {\n input x: float[3, 9, 9]\n CB(4) -> ReLU\n Conv(5, 3) -> Act\n"
        " tap = it -> Conv(5, 1)\n output y = tap -> Act\n output z = tap\n}"
    )
    drawn = drawing(text)
    stacks = [[band.name for band in box.bands] for box in drawn.boxes if box.kind == "layers"]
    assert stacks == [
        ["Conv 3×3", "BatchNorm", "ReLU"],
        ["Conv 3×3", "BatchNorm", "ReLU"],
        ["Conv 1×1"],  # its result is an output too
        ["BatchNorm", "ReLU"],
    ]
    assert "CB(n 4)" in drawn.boxes[1].note


def test_every_layer_has_a_family_and_every_family_a_colour() -> None:
    modules = {type_.__module__.rpartition(".")[2] for type_ in all_layers()}
    assert modules <= set(MODULES)
    assert set(FAMILIES) | {"block", "end", "parameter"} == set(COLOURS)


# --- the layout ---------------------------------------------------------------


def overlap(a: Area, b: Area) -> bool:
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


def inside(inner: Area, outer: Area) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.width <= outer.x + outer.width
        and inner.y + inner.height <= outer.y + outer.height
    )


def ancestors(drawn: Drawing, frame: int | None) -> set[int]:
    found: set[int] = set()
    while frame is not None:
        found.add(frame)
        frame = drawn.frames[frame].parent
    return found


def check_places(drawn: Drawing, layout: Layout) -> None:
    """Boxes are apart; frames hold what stands in them and nothing else; edges end at boxes."""
    for a, b in combinations(layout.boxes, 2):
        assert not overlap(a, b)
    for number, frame in enumerate(layout.frames):
        for box, area in zip(drawn.boxes, layout.boxes, strict=True):
            if number in ancestors(drawn, box.frame):
                assert inside(area, frame)
            else:
                assert not overlap(area, frame)
        for other in range(number):
            nested = other in ancestors(drawn, number) or number in ancestors(drawn, other)
            assert nested or not overlap(frame, layout.frames[other])
    for edge, curve in zip(drawn.edges, layout.edges, strict=True):
        assert len(curve.points) % 3 == 1
        for number, point in ((edge.source, curve.points[0]), (edge.target, curve.points[-1])):
            area = layout.boxes[number]
            near = Area(area.x - 3, area.y - 3, area.width + 6, area.height + 6)
            assert inside(Area(point.x, point.y, 0, 0), near)
        assert (curve.label is not None) == bool(edge.shape)


@pytest.mark.parametrize("depth", [0, 1, 64])
@pytest.mark.parametrize("text", [UNET, MANY, (SPECS / "resnet.dlnet").read_text()])
def test_nothing_overlaps(text: str, depth: int) -> None:
    drawn = drawing(text, depth)
    check_places(drawn, lay_out(drawn))


@pytest.mark.parametrize("depth", [0, 2])
def test_nothing_overlaps_in_the_inceptions(depth: int) -> None:
    for file in ("googlenet", "inception_v4"):
        spec = dlspec.load(SPECS / f"{file}.dlnet")
        drawn = draw(spec.program, next(iter(spec.models.values())).graph, depth)
        check_places(drawn, lay_out(drawn))


@pytest.mark.parametrize("seed", range(30))
def test_nothing_overlaps_in_random_networks(seed: int) -> None:
    drawn = draw(*model(random_spec(Random(seed)), "Net"), seed % 3)
    check_places(drawn, lay_out(drawn))


def test_the_check_of_places_can_fail() -> None:
    drawn = drawing(UNET)
    layout = lay_out(drawn)
    boxes = (layout.boxes[1], *layout.boxes[1:])
    with pytest.raises(AssertionError):
        check_places(drawn, layout._replace(boxes=boxes))


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_u_net_is_a_u(depth: int) -> None:
    drawn = drawing(UNET, depth)
    layout = lay_out(drawn)
    level = spine(drawn).level
    assert len(level) == 2
    for left, right in level:
        a, b = layout.boxes[left], layout.boxes[right]
        assert a.y + a.height / 2 == pytest.approx(b.y + b.height / 2)
        assert a.x + a.width < b.x


def test_other_networks_are_no_u() -> None:
    residual = (
        "model M {\n input x: float[4]\n" + " it + (Dense(4) -> ReLU -> Dense(4))\n" * 3 + "}"
    )
    for text in (MANY, residual, (SPECS / "resnet.dlnet").read_text()):
        assert spine(drawing(text)).level == ()


def test_tangled_networks_are_drawn_all_the_same() -> None:
    steps = [" it -> Dense(8)", *[" (it, x) -> Concat -> Dense(8)"] * 30]
    drawn = drawing("model M {\n input x: float[8]\n" + "\n".join(steps) + "\n}")
    layout = lay_out(drawn)
    for a, b in combinations(layout.boxes, 2):
        assert not overlap(a, b)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (" repeat 1200 { Dense(8) }", "1,202 boxes; 1,000 is the most"),
        (" it -> Dense(8)\n repeat 200 { (it, x) -> Concat -> Dense(8) }", "too tangled"),
    ],
)
def test_what_is_too_large_is_said_and_can_be_written_as_text(
    body: str, message: str, tmp_path: Path
) -> None:
    spec = tmp_path / "a.dlnet"
    spec.write_text(f"model M {{\n input x: float[8]\n{body}\n}}\n")
    done = run("graph", spec, "-o", tmp_path / "a.svg")
    assert done.code == 2
    assert message in done.err
    assert "`.dot` or `.mmd`" in done.err
    assert not (tmp_path / "a.svg").exists()
    assert run("graph", spec, "-o", tmp_path / "a.dot").code == 0
    with pytest.raises(PictureTooLarge):
        next(iter(dlspec.load(spec).models.values())).to_picture("png")


def test_what_repeats_in_a_block_is_small_however_often(tmp_path: Path) -> None:
    text = "block B { Dense(8) -> ReLU -> Dense(8) }\nmodel M {\n input x: float[8]\n"
    for depth, boxes in ((0, 3), (64, 4)):
        assert len(drawing(text + " repeat 20000 { B }\n}", depth).boxes) == boxes


# --- SVG and PNG --------------------------------------------------------------


def test_svg_is_whole_and_loads_nothing() -> None:
    spec = dlspec.load(SPECS / "googlenet.dlnet")
    text = next(iter(spec.models.values())).to_picture("svg", depth=1).decode()
    root = ET.fromstring(text)
    assert root.find(f"{SVG}title").text == "GoogLeNet"
    assert root.find(f"{SVG}desc").text
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "desc", "style", "defs", "marker", "path", "rect", "g", "text", "tspan",
    }  # fmt: skip
    assert not re.search(r"href|@import|url\((?!#arrow\))|script", text)
    drawn = draw(spec.program, next(iter(spec.models.values())).graph, 1)
    assert len(root.findall(f".//{SVG}path[@marker-end]")) == len(drawn.edges)
    shapes = Counter(e.text for e in root.findall(f".//{SVG}text[@class='shape']"))
    assert shapes == Counter(edge.shape for edge in drawn.edges if edge.shape)


def test_text_fits_its_box() -> None:
    """Measured with the typeface itself, by another library than the one that draws it."""
    fonts = {MEDIUM: "Medium", REGULAR: "Regular"}
    for weight, name in fonts.items():
        (file,) = [path for path in font_files() if name in path]
        font = ImageFont.truetype(file, 200)
        for text in ("Bottleneck ×5", "64×112×112", "AVTo 7×7, stride 2 …", "~{}|?–·"):
            # The typeface sets some pairs closer, so that text is never wider than measured.
            assert font.getlength(text) <= width(text, 200, weight) + 1
            assert font.getlength(text) > 0.95 * width(text, 200, weight)


@pytest.mark.parametrize("depth", [0, 2])
def test_png_is_twice_the_svg(depth: int) -> None:
    built = dlspec.loads(UNET).models["UNet"]
    root = ET.fromstring(built.to_picture("svg", depth=depth).decode())
    image = Image.open(io.BytesIO(built.to_picture("png", depth=depth)))
    image.load()
    assert image.size == (2 * int(root.get("width")), 2 * int(root.get("height")))
    dark = image.convert("L").point(lambda value: 255 if value < 80 else 0)
    assert dark.getbbox() is not None  # there is text


def test_png_of_a_long_picture_is_smaller_in_scale() -> None:
    text = "model M {\n input x: float[8]\n repeat 600 { Dense(8) }\n}"
    image = Image.open(io.BytesIO(dlspec.loads(text).models["M"].to_picture("png")))
    assert 29_000 < image.size[1] <= 30_000


# --- DOT and Mermaid ----------------------------------------------------------


def same_graph(drawn: Drawing, edges: list[tuple[str, str, str]]) -> bool:
    wanted = Counter((f"n{e.source}", f"n{e.target}", e.shape) for e in drawn.edges)
    return Counter(edges) == wanted


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("text", [UNET, MANY])
def test_dot_read_by_graphviz_is_the_drawing(text: str, depth: int) -> None:
    drawn = drawing(text, depth)
    dot = next(iter(dlspec.loads(text).models.values())).to_picture("dot", depth=depth).decode()
    read = json.loads(pygraphviz.AGraph(string=dot).draw(format="json", prog="dot"))
    names = {item["_gvid"]: item["name"] for item in read["objects"]}
    boxes = {name for name in names.values() if name.startswith("n")}
    assert boxes == {f"n{n}" for n in range(len(drawn.boxes))}
    edges = [(names[e["tail"]], names[e["head"]], e.get("label", "")) for e in read["edges"]]
    assert same_graph(drawn, edges)
    frames = {name for name in names.values() if name.startswith("cluster_")}
    assert frames == {f"cluster_{n}" for n in range(len(drawn.frames))}
    for item in read["objects"]:
        if item["name"] in frames:
            frame = int(item["name"].removeprefix("cluster_"))
            held = {names[number] for number in item["nodes"]}
            assert held == {
                f"n{n}" for n, b in enumerate(drawn.boxes) if frame in ancestors(drawn, b.frame)
            }


MERMAID_BOX = re.compile(r'\s*(n\d+)(\(\[|\(\(|\()"([^"]*)"(\]\)|\)\)|\))')
MERMAID_EDGE = re.compile(r'  (n\d+) (-->|-\.->)(?:\|"([^"]*)"\|)? (n\d+)')
MERMAID_OTHER = re.compile(
    r'flowchart TB|\s*subgraph f\d+\["[^"]*"\]|\s*end|  classDef \w+ [\w#:,]+|'
    r"  class [n\d,]+ \w+|  style n\d+ stroke-dasharray:5 4"
)


def read_mermaid(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """The boxes and edges of a flowchart. Every line must be of a known form."""
    boxes: dict[str, str] = {}
    edges: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        if box := MERMAID_BOX.fullmatch(line):
            assert box[1] not in boxes
            boxes[box[1]] = box[3]
        elif edge := MERMAID_EDGE.fullmatch(line):
            edges.append((edge[1], edge[4], edge[3] or ""))
        else:
            assert MERMAID_OTHER.fullmatch(line), line
    return boxes, edges


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("text", [UNET, MANY])
def test_mermaid_is_the_drawing(text: str, depth: int) -> None:
    drawn = drawing(text, depth)
    written = dlspec.loads(text).models
    mermaid = next(iter(written.values())).to_picture("mmd", depth=depth).decode()
    boxes, edges = read_mermaid(mermaid)
    assert set(boxes) == {f"n{n}" for n in range(len(drawn.boxes))}
    assert same_graph(drawn, edges)
    assert mermaid.count("subgraph ") == mermaid.count("end\n") == len(drawn.frames)


# --- hostile text -------------------------------------------------------------

HOSTILE = 'a"];\n}</title><script>&amp;\\N`|%%{init}%% #quot; é'


@pytest.fixture
def hostile() -> Drawing:
    """Such text cannot come out of a spec; it can out of an IR file or another package."""
    drawn = drawing(MANY, 1)
    boxes = tuple(
        box._replace(
            note=HOSTILE + "\x00\x1b[2J\ud800",
            bands=tuple(band._replace(name=HOSTILE, detail=HOSTILE) for band in box.bands),
        )
        for box in drawn.boxes
    )
    frames = tuple(f._replace(title=HOSTILE, detail=HOSTILE, note=HOSTILE) for f in drawn.frames)
    edges = tuple(edge._replace(shape=HOSTILE if edge.shape else "") for edge in drawn.edges)
    return Drawing(HOSTILE, HOSTILE + "\x07", boxes, frames, edges)


def test_hostile_text_stays_text(hostile: Drawing) -> None:
    from dlspec.backends.graph import picture

    root = ET.fromstring(picture(hostile, "svg").decode())
    assert not root.findall(".//script")
    assert root.find(f"{SVG}title").text == HOSTILE
    assert Image.open(io.BytesIO(picture(hostile, "png"))).format == "PNG"
    read = pygraphviz.AGraph(string=picture(hostile, "dot").decode())
    assert len(read.nodes()) == len(hostile.boxes)
    assert len(read.edges()) == len(hostile.edges)
    boxes, edges = read_mermaid(picture(hostile, "mmd").decode())
    assert (len(boxes), len(edges)) == (len(hostile.boxes), len(hostile.edges))
    assert all("<" not in label.replace("<br/>", "") for label in boxes.values())


def test_hostile_arguments_of_blocks(tmp_path: Path) -> None:
    spec = tmp_path / "a.dlnet"
    spec.write_text(
        "block B(tag) { Dense(3) -> Dense(4) }\nmodel M {\n  input x: float[2]\n"
        '  B("\\"];</text><script>alert(1)</script>")\n}\n'
    )
    for format in FORMATS:
        assert run("graph", spec, "-o", tmp_path / f"a.{format}").code == 0
    text = (tmp_path / "a.svg").read_text()
    assert "<script" not in text
    ET.fromstring(text)
    assert len(pygraphviz.AGraph(str(tmp_path / "a.dot")).nodes()) == 3
    read_mermaid((tmp_path / "a.mmd").read_text())


# --- the command --------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_the_command_writes_what_the_ending_says(format: str, tmp_path: Path) -> None:
    done = run("graph", SPECS / "lenet.dlnet", "-o", f"a.{format}", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", f"wrote a.{format}\n")
    first = (tmp_path / f"a.{format}").read_bytes()
    starts = {"svg": b"<svg ", "png": b"\x89PNG", "dot": b"digraph ", "mmd": b"flowchart "}
    assert first.startswith(starts[format])
    again = subprocess.run(
        [sys.executable, "-m", "dlspec", "graph", SPECS / "lenet.dlnet", "--to", format, "-o", "b"],
        cwd=tmp_path, check=False, capture_output=True,
    )  # fmt: skip
    assert again.returncode == 0
    assert (tmp_path / "b").read_bytes() == first


def test_the_command_without_a_path(tmp_path: Path) -> None:
    (tmp_path / "unet.dlnet").write_text(UNET)
    done = run("graph", "unet.dlnet", "--set", "classes=7", cwd=tmp_path)
    assert (done.code, done.err) == (0, "wrote unet.svg\n")
    assert ">7<" in (tmp_path / "unet.svg").read_text()
    done = run("graph", "-", "--to", "mmd", stdin=(SPECS / "lenet.dlnet").read_text())
    assert done.out.startswith("flowchart TB\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.gif"], "`.svg`, `.png`, `.dot`, `.mmd`"),
        (["--expand", "--depth", "1"], "`--depth`"),
        (["--depth", "-1"], "-1"),
        (["--model", "Alex"], "`LeNet`"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    done = run("graph", SPECS / "lenet.dlnet", *arguments)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(("package", "format"), [("pygraphviz", "svg"), ("resvg_py", "png")])
def test_without_the_extra(
    package: str, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = run("graph", SPECS / "lenet.dlnet", "-o", f"a.{format}", cwd=tmp_path)
    assert done.code == 3
    assert "dlspec[graph]" in done.err
    assert run("graph", SPECS / "lenet.dlnet", "-o", "a.dot", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("spec", "image"),
    [(SPECS / "resnet.dlnet", "resnet50.svg"), (DOCS / "unet.dlnet", "unet.svg")],
)
def test_the_pictures_in_the_documentation_are_up_to_date(spec: Path, image: str) -> None:
    """What is written in them: places may differ with the version of Graphviz."""
    made = next(iter(dlspec.load(spec).models.values())).to_picture("svg")
    kept = (DOCS / "images" / image).read_bytes()
    texts = [
        ["".join(text.itertext()) for text in ET.fromstring(svg).iter(f"{SVG}text")]
        for svg in (made, kept)
    ]
    assert texts[0] == texts[1]
