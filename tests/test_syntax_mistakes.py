"""The parser on wrong specs: codes, places, words, and what is saved of the rest."""

from __future__ import annotations

import pytest
from syntax_trees import bare, body, good, nodes, parsed, show

from dlspec.diagnostics import Report
from dlspec.syntax import decode, tree

# Each: the text of a body, the code, the text of the span, and a part of what is said.
IN_A_BODY = [
    ("Conv(64 3)", "E0101", "3", "expected `,` before `3`"),
    ("Conv(64,, 3)", "E0101", ",", "expected an argument or `)`, found `,`"),
    ("Conv 64", "E0101", "64", "`Conv(64)`"),
    ("a b", "E0101", "b", "expected `=`, `->` or the end of the line, found `b`"),
    ("x =", "E0101", "\n", "expected a value or a stage, found the end of the line"),
    ("x = # nothing", "E0101", " ", "found the end of the line"),
    ("{ x = }", "E0101", "}", "expected a value or a stage, found `}`"),
    ("a ->\nB", "E0101", "->", "begin the next line with `->`"),
    ("a +\nb", "E0101", "+", "parentheses"),
    ("{ -> B }", "E0101", "->", "expected a statement or `}`, found `->`"),
    ("x = -> B", "E0101", "->", "`it` is the value of the line above"),
    ("a => B", "E0101", "=>", "`=>` is written `->`"),
    ("a |> B", "E0101", "|>", "`->`"),
    ("a → B", "E0101", "→", "`->`"),
    ("x = a && b", "E0101", "&&", "`and`"),
    ("x = !a", "E0101", "!", "`not`"),
    ("a = 1; b = 2", "E0101", ";", "not with `;`"),
    ("a < b < c", "E0101", "<", "`a < b and b < c`"),
    ("a .. b .. c", "E0101", "..", "found `..`"),
    ("a as b as c", "E0101", "as", "found the reserved word `as`"),
    ("a, b -> Concat", "E0101", "->", "`(a, b) -> Concat`"),
    ("x := 3", "E0101", ":=", "`:=` is written `=`"),
    ("f(a: 3)", "E0101", ":", "a value is given with `=`"),
    ("if x = 3 { a }", "E0101", "=", "a comparison is written `==`"),
    ("require a = 3", "E0101", "=", "a comparison is written `==`"),
    ("input x = float[3]", "E0101", "=", "a type stands behind `:`"),
    ("if a { b } elif c { d }", "E0101", "elif", "`else if`"),
    ("repeat 3\n{ A }", "E0101", "{", "end of the line above"),
    ("x = 'abc'", "E0101", "'abc'", "double quotes"),
    ("return x", "E0101", "x", "the value of a body is that of its last line"),
    ("// comment", "E0101", "//", "a comment begins with `#`"),
    ("x = @a", "E0101", "@", "`@` means nothing here"),
    ("f(a=1, b)", "E0101", "b", "by position"),
    ("f(?Length)", "E0101", "?", "`?length`"),
    ("x = (a, b", "E0102", "(", "this `(` is not closed"),
    ("x = f(a[1, b)", "E0102", "[", "this `[` is not closed"),
    ("x = a)", "E0103", ")", "no `(` is open"),
    ("x = f(a]", "E0103", "]", "`]` stands where `)` belongs"),
    ('x = "abc', "E0104", '"abc', "does not end on its line"),
    ('x = f("abc)', "E0104", '"abc', "does not end on its line"),
    (r'x = "a\qc"', "E0105", r"\q", r"`\q`"),
    (r'x = "\u12"', "E0105", r"\u12", "four hexadecimal digits"),
    (r'x = "\ud800"', "E0105", r"\ud800", "of a character"),
    ("input = 3", "E0106", "input", "a reserved word"),
    ("data = 3", "E0106", "data", "a reserved word"),
    ("x = a + model", "E0106", "model", "a reserved word"),
    ("layer train = A", "E0106", "train", "a reserved word"),
    ("for in in x { a }", "E0106", "in", "a reserved word"),
    ("x = 1.", "E0107", "1.", "`1.` is not a number"),
    ("x = .5", "E0107", ".5", "`.5` is not a number"),
    ("x = 0x1F", "E0107", "0x1F", "decimal"),
    ("x = 1__0", "E0107", "1__0", "is not a number"),
    ("x = 12abc", "E0107", "12abc", "a name begins with a letter"),
    ("x = 007", "E0107", "007", "does not begin with 0"),
    ("x = 1e999", "E0107", "1e999", "1.8e308"),
    ("Skip = it", "E0108", "Skip", "lower-case"),
    ("a as Tap", "E0108", "Tap", "lower-case"),
    ("input Image: float[3]", "E0108", "Image", "lower-case"),
    ("step s updates model_a { }", "E0108", "model_a", "capital"),
    ("let x = 3", "E0109", "let", "top level"),
    ("x = " + "1" * 19, "E0703", "1" * 19, "19 digits"),
    ("x" * 65, "E0707", "x" * 65, "65 characters"),
    ("x = größe", "E0002", "öße", "comments and strings only"),
    ("x = “a”", "E0002", "“", "straight double quotes"),
    ("# a\x07b", "E0002", "\x07", "U+0007"),
    ('x = "a\u202eb"', "E0002", "\u202e", "direction"),
    ("x = a\x0cb", "E0002", "\x0c", "U+000C"),
    ("x = a\x00", "E0002", "\x00", "U+0000"),
    ("a\rb", "E0002", "\r", "line feed"),
    ("# \ud800", "E0002", "\ud800", "surrogate"),
]


@pytest.mark.parametrize(("text", "code", "place", "words"), IN_A_BODY)
def test_a_mistake_is_said_once_in_its_place(text: str, code: str, place: str, words: str) -> None:
    module, diagnostics = parsed(f"block B {{\n  first\n  {text}\n  last\n}}\nmodel M {{ it }}\n")
    first = diagnostics[0]
    assert (first.code, first.span.text) == (code, place)
    assert words in first.message + " " + (first.help or "")
    assert {d.code for d in diagnostics} == {code}
    assert len(diagnostics) == 1 or "“" in text
    block, model = module.declarations
    assert isinstance(block, tree.NetworkDeclaration)
    assert isinstance(model, tree.NetworkDeclaration)
    statements = [show(s) for s in block.body.statements]
    assert statements[0].startswith("first")
    assert statements[-1] == "last"


OF_DECLARATIONS = [
    ("model lenet { it }", "E0108", "lenet", "`Lenet`", ["Network lenet"]),
    ("let Width = 3", "E0108", "Width", "`width`", ["Let Width"]),
    ("let model = 3", "E0106", "model", "reserved", ["Let model"]),
    ("block data { it }", "E0106", "data", "reserved", ["Network data"]),
    ("let x == 3", "E0101", "==", "`=`", ["Let x"]),
    ("let x", "E0101", "", "expected `=`, found the end of the file", ["Error x"]),
    ("let x = 3 4", "E0101", "4", "expected `->` or the end of the line", ["Error x"]),
    ('use A form "x"\nlet y = 1', "E0101", "form", "`from`", ["Error A", "Error form", "Let y"]),
    ("use A from x", "E0101", "x", "a string", ["Error A"]),
    ("import torch\nx = 3\n\nlet y = 1", "E0101", "import", "`use Name from", ["Error", "Let y"]),
    ("class Net:\n  pass", "E0101", "class", "`model Name(parameters)", ["Error"]),
    ("Conv(3) -> ReLU", "E0101", "Conv", "expected a declaration", ["Error"]),
    ("model A\n{ it }", "E0101", "{", "end of the line above", ["Network A"]),
    ("model A(x y) { it }", "E0101", "y", "expected `,` before `y`", ["Network A"]),
    ("model A(x=) { it }\nlet y = 1", "E0101", ")", "expected a value", ["Error A", "Let y"]),
    ("model A B { it }", "E0101", "B", "expected `{` or `(`, found `B`", ["Error A"]),
    ("train A B { x = 1 }", "E0101", "B", "expected `(`, `,` or `on`", ["Error"]),
    ("model A(x=10 {\n  it\n}\nlet y = 1", "E0102", "(", "not closed", ["Network A", "Let y"]),
    ("model A {\n  it\n\nlet y = 1", "E0102", "{", "not closed", ["Network A", "Let y"]),
    ("model A {\n  it", "E0102", "{", "not closed", ["Network A"]),
    ("model A\n  it\n}\nlet y = 1", "E0103", "A", "`{` is missing", ["Network A", "Let y"]),
    ("model A { it } }\nlet y = 1", "E0103", "}", "closes nothing", ["Network A", "Let y"]),
    ("data D { seed: 3 }", "E0101", ":", "`=`", ["Data D"]),
    ("data D { seed == 3 }", "E0101", "==", "`=`", ["Data D"]),
    ("model", "E0101", "", "a capitalised name", ["Error"]),
    ("}", "E0103", "}", "closes nothing", []),
]


def declared(declaration: tree.Declaration) -> str:
    kind = type(declaration).__name__.removesuffix("Declaration")
    name = getattr(declaration, "name", None)
    return f"{kind} {name.id}" if name else kind


@pytest.mark.parametrize(("text", "code", "place", "words", "kept"), OF_DECLARATIONS)
def test_a_mistake_in_a_declaration(
    text: str, code: str, place: str, words: str, kept: list[str]
) -> None:
    module, (only,) = parsed(text)
    assert (only.code, only.span.text) == (code, place)
    assert words in only.message + " " + (only.help or "")
    assert [declared(d) for d in module.declarations] == kept


def test_one_run_reports_every_independent_mistake() -> None:
    _, diagnostics = parsed("""\
let x = = 3
model lenet(classes=10) {
  input image float[1, 28, 28]
  Conv2D(20 5) -> MaxPool2D(2)
  skip = it -> if stride >> 1 { Conv(1 1) } else { a b }
  repeat 3 of { Dense(500 }
  output = 3
}
data Digits {
  source == digits("x\\y")
  test = 0x20
}
train lenet on Digits { loss: mse }
""")
    assert [(d.code, d.span.line, d.span.text) for d in diagnostics] == [
        ("E0101", 1, "="),
        ("E0108", 2, "lenet"),
        ("E0101", 3, "float"),
        ("E0101", 4, "5"),
        ("E0101", 5, ">"),
        ("E0101", 5, "1"),
        ("E0101", 5, "b"),
        ("E0101", 6, "of"),
        ("E0102", 6, "("),
        ("E0106", 7, "output"),
        ("E0101", 10, "=="),
        ("E0105", 10, "\\y"),
        ("E0107", 11, "0x20"),
        ("E0108", 13, "lenet"),
        ("E0101", 13, ":"),
    ]


def statements(text: str) -> list[str]:
    module, diagnostics = parsed(f"block B {{\n{text}\n}}")
    assert diagnostics
    (declaration,) = module.declarations
    assert isinstance(declaration, tree.NetworkDeclaration)
    return [show(s) for s in declaration.body.statements]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a, b = Conv(3) 4", ["a b = ERROR"]),
        ("layer a = B b", ["layer a = ERROR"]),
        ("output a = B b", ["output a = ERROR"]),
        ("auxiliary a = = b", ["auxiliary a = ERROR"]),
        ("input a: float[3", ["input a: float[3]"]),
        ("input a float[3]", ["input a: float[ERROR]"]),
        ("parameter a: 3", ["parameter a: float[ERROR]"]),
        ("Conv as a -> B b as c", ["a = ERROR", "c = ERROR", "ERROR"]),
        ("repeat n n { a b\nc }", ["repeat ERROR {ERROR; c}"]),
        ("for (i, n) of x { i }", ["for i n in ERROR {i}"]),
        ("x = f(if a b { c } else { d }, e)", ["x = f(if ERROR {c} else {d} e)"]),
        ("a b {\n c d\n}\ne", ["ERROR", "e"]),
    ],
)
def test_what_is_saved_of_a_statement(text: str, kept: list[str]) -> None:
    assert statements(text) == kept


def test_the_label_of_an_open_bracket_says_where_it_should_close() -> None:
    _, (only,) = parsed("model A {\n  f(1,\n    2\n  g\n}\n")
    assert (only.code, only.span.line, only.label) == ("E0102", 2, "opened here")
    (label,) = only.labels
    assert (label.span.line, label.text) == (3, "`)` is missing behind this")


def test_indentation_tells_which_brace_was_forgotten() -> None:
    module, (only,) = parsed("model A {\n  repeat 3 {\n    B\n  c\n}\n\nmodel D { e }\n")
    assert (only.code, only.span.line) == ("E0102", 2)
    assert [declared(d) for d in module.declarations] == ["Network A", "Network D"]


FIXED = [
    "let x == 3",
    "block B { a => B }",
    "block B { x = 'a\"b' }",
    "block B { x = a && !b }",
    "let x = 1.",
    "let x = .5",
    "let x = 007",
    "model lenet { it }",
    "data D { seed: 3 }",
    "block B { if x = 3 { a } }",
    "block B { if a { b } elif c { d } }",
    "block B { let x = 3 }",
    "block B { x = a) }",
    "block B { f(a] }",
    "block B { Skip = a }",
]


@pytest.mark.parametrize("text", FIXED)
def test_a_fix_mends_the_mistake(text: str) -> None:
    fixed = text
    for diagnostic in reversed(parsed(text)[1]):
        assert diagnostic.fix is not None
        span = diagnostic.fix.span
        fixed = fixed[: span.start] + diagnostic.fix.replacement + fixed[span.end :]
    assert fixed != text
    good(fixed)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("block B { a => B }", "block B { a -> B }"),
        ("data D { seed: 3 }", "data D { seed = 3 }"),
        ("data D { seed == 3 }", "data D { seed = 3 }"),
        ("block B { f(1 2) }", "block B { f(1, 2) }"),
        ("block B { a; b }", "block B { a\nb }"),
        ("block B { f(a, b] }", "block B { f(a, b) }"),
        ("block B { f(a, b }", "block B { f(a, b) }"),
        ("block B {\n a ->\n C\n}", "block B {\n a\n -> C\n}"),
    ],
)
def test_a_slip_is_read_as_what_was_meant(wrong: str, right: str) -> None:
    module, diagnostics = parsed(wrong)
    assert diagnostics
    assert bare(module) == bare(good(right))


def depth_of(text: str) -> tuple[int, list[str]]:
    module, diagnostics = parsed(text)
    deepest = 0
    pending = [(node, 0) for node in module.declarations]
    while pending:
        node, depth = pending.pop()
        deepest = max(deepest, depth)
        children = [field for field in node if isinstance(field, tuple)]
        pending += [(c, depth + hasattr(node, "_fields")) for c in children]  # type: ignore[misc]
    return deepest, [d.code for d in diagnostics]


NESTED = {
    "parentheses": lambda n: "x = " + "(" * n + "a" + ")" * n,
    "tuples": lambda n: "x = " + "(" * n + "a" + ",)" * n,
    "lists": lambda n: "x = " + "[" * n + "a" + "]" * n,
    "braces": lambda n: "{" * n + "a" + "}" * n,
    "calls": lambda n: "x = " + "f(" * n + "a" + ")" * n,
    "repeats": lambda n: "repeat 2 {" * n + "a" + "}" * n,
    "conditions": lambda n: "if a {" * n + "a" + "} else { b }" * n,
    "minus": lambda n: "x = " + "- " * n + "a",
    "not": lambda n: "x = " + "not " * n + "a",
    "powers": lambda n: "x = " + "a ** " * n + "a",
    "else if": lambda n: "if a { b }" + " else if a { b }" * n,
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED.keys())
def test_nesting_is_limited_to_64_levels(nested: object) -> None:
    write = nested
    assert callable(write)
    _, codes = depth_of(f"block B {{ {write(60)} }}")
    assert codes == []
    for n in (70, 5_000):
        depth, codes = depth_of(f"block B {{ {write(n)} }}")
        assert codes == ["E0701"]
        assert depth < 500


CHAINS = {
    "sum": lambda n: "x = a" + " + a" * n,
    "and": lambda n: "x = a" + " and a" * n,
    "attributes": lambda n: "x = a" + ".a" * n,
    "calls": lambda n: "x = a" + "(1)" * n,
    "indices": lambda n: "x = a" + "[1]" * n,
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_chains_are_limited(chain: object) -> None:
    assert callable(chain)
    assert depth_of(f"block B {{ {chain(200)} }}")[1] == []
    depth, codes = depth_of(f"block B {{ {chain(5_000)} }}")
    assert codes == ["E0701"]
    assert depth < 600


def test_lists_pipelines_and_lines_are_as_long_as_one_likes() -> None:
    assert len(body("a\n" * 3000)) == 3000
    (pipeline,) = body("a" + " -> B" * 3000)
    assert len(pipeline.value.stages) == 3001  # type: ignore[union-attr]
    good("let x = [" + "1, " * 3000 + "]")


def test_a_spec_over_4_mib_is_refused() -> None:
    report = Report()
    assert decode("big", b"#" * (4 * 2**20 + 1), report) is None
    assert [d.code for d in report.diagnostics] == ["E0702"]
    _, diagnostics = parsed("#" + "ä" * (2 * 2**20))
    assert [d.code for d in diagnostics] == ["E0702"]
    assert decode("fits", b"#" * (4 * 2**20), Report()) is not None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"let x = \xff", "offset 8 (line 1)"),
        (b"\xef\xbb\xbflet x\n= \xc3", "offset 11 (line 2)"),
        (b"\xff\xfel\x00e\x00t\x00", "UTF-16"),
        (b"# \xed\xa0\x80", "offset 2"),
        (b"\xc0\x80", "offset 0"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, words: str) -> None:
    report = Report()
    assert decode("test", data, report) is None
    (only,) = report.diagnostics
    assert only.code == "E0001"
    assert words in only.message + (only.help or "")
    assert only.span.source.text == ""


def test_a_byte_order_mark_and_crlf_are_accepted() -> None:
    report = Report()
    source = decode("test", b"\xef\xbb\xbf# a\r\nlet x = 1\r\n", report)
    assert source is not None
    assert bare(good(source.text)) == bare(good("# a\nlet x = 1\n"))
    assert not report.diagnostics


def test_reported_mistakes_are_capped() -> None:
    module, diagnostics = parsed("block B {\n" + "a b\n" * 1000 + "}\nlet x = 1")
    assert len(diagnostics) == 100
    assert "more mistakes" in (diagnostics[-1].help or "")
    assert declared(module.declarations[-1]) == "Let x"


def test_what_is_echoed_is_escaped() -> None:
    for text in ("let x = \x1b[31m", "let \u202e = 1", "let x = '\x1b", "let x = 1\x9b2"):
        for diagnostic in parsed(text)[1]:
            assert diagnostic.message.isprintable()


def test_every_error_node_has_its_diagnostic() -> None:
    module, diagnostics = parsed("block B { a b\nc }\nlet = 3\nmodel A(b c d) e")
    wrong = [n for n in nodes(module) if type(n).__name__.startswith("Error")]
    assert wrong
    for node in wrong:
        assert any(node.span.start <= d.span.start <= node.span.end for d in diagnostics)
