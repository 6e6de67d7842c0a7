"""The parser on right specs: trees, precedence, the newline rule, spans, documentation."""

from __future__ import annotations

import re
from pathlib import Path

import lark
import pytest
from syntax_trees import bare, body, good, is_node, nodes, show, value

from dlspec.diagnostics import Report
from dlspec.source import Span
from dlspec.syntax import automaton, decode, tables, tree
from dlspec.syntax.actions import ACTIONS
from dlspec.syntax.lexer import read
from dlspec.syntax.mistakes import Mistakes

ROOT = Path(__file__).parent.parent
EVERYTHING = """\
# All that there is.

use ConvBN, Inception, width from "blocks.dlnet"
# How wide.
#   The unit is channels.
let width = 64
block Part(channels, stride=1 in 1 .. 3, kinds=[1, 2,],) { }
block Empty() {}

# A network.
model Net(depths=[3, 4], classes=1000) {
  input image: float[3, ?height, width]
  input flag: bool
  layer embed = Embedding(10, width)
  parameter token: float[1, width] = normal(0.02)
  parameter bias: float[]
  skip = it -> if stride > 1 or it.channels != 4 * width { Conv(4, bias=false) }
  Conv(64, 7, stride=2) as tap -> ReLU
    -> MaxPool(3)

    # a comment between
    -> Flatten
  q, k, v = it -> Dense(3 * width) -> Split(3)
  ( A, B -> C,
    D ) -> Concat
  for (i, n) in enumerate(depths) {
    Bottleneck(64 * 2**i, stride=if i == 0 { 1 } else { 2 })
    repeat n - 1 { Bottleneck(64 * 2**i) }
  }
  for x in [1, 2] { Dense(x) }
  if a { B }

  # the next line goes on with it
  else if c { D } else { E }
  x[0] + x[1..3].shape[-1]
  output logits = it -> Dense(classes)
  output image
  auxiliary aux = mid -> Head(for=3, in=2 in [1, 2])
  require parameters <= 1_300_000
}
data Digits {
  source = digits("a\\"b\\u00e4\\n", none)
  validation = 10% in 5% .. 20%
  test = 12.5%
}
train Net(classes=10), Other on Digits {
  optimizer = adam(lr=1e-3 in log(1e-5 .. 1e-1), betas=(0.5, 0.999))
  batch_size = 64 in [32, 64]
  minimize cross_entropy(logits, label) + 0.3 * mse(aux, label)
  step critic updates Net, Other every 5 { _ , fake = normal(100) -> Net
    minimize fake }
  step other updates Other { minimize a }
  require accuracy >= 97%
}
"""


def specs() -> list[Path]:
    return sorted((ROOT / "specs").glob("*.dlnet"))


PRECEDENCE = {
    "a -> B -> C": "(a -> B -> C)",
    "(a -> B) -> C": "((a -> B) -> C)",
    "a -> (B -> C)": "(a -> (B -> C))",
    "a -> B as c -> D": "(a -> (B as c) -> D)",
    "a or b as c": "((a or b) as c)",
    "a or b and not c == d": "(a or (b and (not (c == d))))",
    "not not a": "(not (not a))",
    "a or b or c": "((a or b) or c)",
    "a + b < c - d": "((a + b) < (c - d))",
    "a .. b + 1 >= c": "((a .. (b + 1)) >= c)",
    "a - b - c": "((a - b) - c)",
    "a - b * c // d % e": "(a - (((b * c) // d) % e))",
    "-a ** 2": "(- (a ** 2))",
    "2 ** -a ** 3": "(2 ** (- (a ** 3)))",
    "a ** b ** c": "(a ** (b ** c))",
    "- - a * b": "((- (- a)) * b)",
    "-a.b[c](d)": "(- a.b[c](d))",
    "a * -b": "(a * (- b))",
    "64 * 2**i": "(64 * (2 ** i))",
    "a + B -> C": "((a + B) -> C)",
    "a -> if b { C } else { D } -> E": "(a -> if b {C} else {D} -> E)",
    "if a { b } else { c } + 1": "(if a {b} else {c} + 1)",
    "if a { b } else if c { d } else { e }": "if a {b} else {if c {d} else {e}}",
    "if a -> B { c }": "if (a -> B) {c}",
    "repeat n - 1 { A }": "repeat (n - 1) {A}",
    "for i in range(3) { A(i) }": "for i in range(3) {A(i)}",
    "for (i, n,) in x { A }": "for i n in x {A}",
    "for i, n in x { A }": "for i n in x {A}",
    "{ a\nB }": "{a; B}",
    "{}": "{}",
    "()": "tuple()",
    "(a)": "a",
    "(a,)": "tuple(a)",
    "(a, b)": "tuple(a b)",
    "(a, b,)": "tuple(a b)",
    "((a, b), c)": "tuple(tuple(a b) c)",
    "[]": "[]",
    "[a, [b],]": "[a [b]]",
    "f()": "f()",
    "f(a, b=c, d=e in 1 .. 2,)": "f(a b=c d=e in (1 .. 2))",
    "f(in=1, model=2, not=3)": "f(in=1 model=2 not=3)",
    "f(not a, if b { c })": "f((not a) if b {c})",
    "f(64 in [1, 2])": "f(64 in [1 2])",
    "x.input.for": "x.input.for",
    "x[a..b]": "x[(a .. b)]",
    "x[1..3]": "x[(1 .. 3)]",
    "x[-1]": "x[(- 1)]",
    "?length + 1": "(?length + 1)",
    "10%": "10%",
    "10 % 3": "(10 % 3)",
    "10%3": "(10 % 3)",
    "i%2": "(i % 2)",
    "10% * 2": "(10% * 2)",
    "it -> A": "(it -> A)",
    "true or false or none": "((true or false) or none)",
}


@pytest.mark.parametrize(("text", "shown"), PRECEDENCE.items())
def test_precedence(text: str, shown: str) -> None:
    assert show(value(text)) == shown


NUMBERS = {
    "0": 0,
    "28": 28,
    "1_000": 1000,
    "0.5": 0.5,
    "1e-3": 0.001,
    "2.5E+2": 250.0,
    "10%": 0.1,
    "97%": 0.97,
    "12.5%": 0.125,
    "0.1%": 0.001,
    "1_0.2_5": 10.25,
    "999999999999999999": 10**18 - 1,
    "0.30000000000000004": 0.30000000000000004,
    "1e20": 1e20,
}


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_numbers_are_what_is_written(text: str, number: float) -> None:
    node = value(text)
    assert isinstance(node, tree.Number)
    assert node.value == number
    assert type(node.value) is type(number)
    assert node.percent is text.endswith("%")


@pytest.mark.parametrize(
    ("text", "string"),
    [
        (r'"a\"b"', 'a"b'),
        (r'"\\n"', "\\n"),
        (r'"\n\t"', "\n\t"),
        (r'"\u00e4\u0041"', "äA"),
        ('"# no comment"', "# no comment"),
        ('"日本 ({["', "日本 ({["),
        ('""', ""),
    ],
)
def test_strings_are_what_is_written(text: str, string: str) -> None:
    node = value(text)
    assert isinstance(node, tree.String)
    assert node.value == string


STATEMENTS = {
    "a -> B\n-> C": ["(a -> B -> C)"],
    "a -> B\n\n  # comment\n\n  -> C": ["(a -> B -> C)"],
    "a\nB": ["a", "B"],
    "if a { b }\nelse { c }": ["if a {b} else {c}"],
    "if a { b }\n\n# comment\nelse { c }": ["if a {b} else {c}"],
    "if a {\n b\n}\nc": ["if a {b}", "c"],
    "f(\na,\n\nb\n)": ["f(a b)"],
    "[\n1,\n2\n]": ["[1 2]"],
    "(a\n+ b)": ["(a + b)"],
    "f(a, {\n b\n C\n}, d)\ne": ["f(a {b; C} d)", "e"],
    "f(if a {\n b\n} else {\n c\n})": ["f(if a {b} else {c})"],
    "x = f(\n  1\n)": ["x = f(1)"],
    "a # comment -> B\n-> C # more": ["(a -> C)"],
    "a\n\n\n# c\n\nb": ["a", "b"],
    "a\r\n-> B\r\nc\r\n": ["(a -> B)", "c"],
    "repeat 2 { a }": ["repeat 2 {a}"],
    "-a": ["(- a)"],
    "a\n-b": ["a", "(- b)"],
    "q, k, v = it -> Split(3)": ["q k v = (it -> Split(3))"],
    "_ = a": ["_ = a"],
    "units = 500 in 100 .. 1000": ["units = 500 in (100 .. 1000)"],
    "layer e = Embedding(2, 3)": ["layer e = Embedding(2 3)"],
    "parameter t: float[1, w] = normal(0.02)": ["parameter t: float[1 w] = normal(0.02)"],
    "parameter t: float": ["parameter t: float"],
    "input x: float[3, ?length, ?length + 1]": ["input x: float[3 ?length (?length + 1)]"],
    "output y\noutput z = it -> D": ["output y", "output z = (it -> D)"],
    "auxiliary y = a -> B": ["auxiliary y = (a -> B)"],
    "require a <= 1_300_000": ["require (a <= 1300000)"],
    "minimize f(a, 1) + 0.3 * g(b)": ["minimize (f(a 1) + (0.3 * g(b)))"],
    "step s updates A, B every n { minimize a }": ["step s updates A B every n {minimize a}"],
    "step s updates A { }": ["step s updates A {}"],
}


@pytest.mark.parametrize(("text", "shown"), STATEMENTS.items())
def test_statements_and_line_ends(text: str, shown: list[str]) -> None:
    assert [show(statement) for statement in body(text)] == shown


def test_a_body_on_one_line_is_the_same_as_on_many() -> None:
    (one,) = good("block B { a -> C }").declarations
    (many,) = good("block B\t{\n\n  a\n  -> C\n\n}\n").declarations
    assert bare(one) == bare(many)


def test_declarations() -> None:
    module = good(EVERYTHING)
    kinds = [type(d).__name__.removesuffix("Declaration") for d in module.declarations]
    assert kinds == ["Use", "Let", "Network", "Network", "Network", "Data", "Train"]
    use, _, part, _, net, _, train = module.declarations
    assert isinstance(use, tree.UseDeclaration)
    assert [type(n) for n in use.names] == [tree.TypeName, tree.TypeName, tree.Name]
    assert use.path.value == "blocks.dlnet"
    assert isinstance(part, tree.NetworkDeclaration)
    assert not part.is_model
    assert [
        (p.name.id, p.default and show(p.default), p.search and show(p.search))
        for p in part.parameters
    ] == [("channels", None, None), ("stride", "1", "(1 .. 3)"), ("kinds", "[1 2]", None)]
    assert isinstance(net, tree.NetworkDeclaration)
    assert net.is_model
    assert isinstance(train, tree.TrainDeclaration)
    assert [show(m) for m in train.models] == ["Net(classes=10)", "Other"]
    assert train.data.id == "Digits"


def test_documentation() -> None:
    module = good(EVERYTHING)
    assert module.documentation == "All that there is."
    _, width, part, _, net, digits, _ = module.declarations
    assert width.documentation == "How wide.\n  The unit is channels."  # type: ignore[union-attr]
    assert part.documentation == ""  # type: ignore[union-attr]
    assert net.documentation == "A network."  # type: ignore[union-attr]
    assert digits.documentation == ""  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "module", "declaration"),
    [
        ("# a\nlet x = 1", "", "a"),
        ("# a\n\nlet x = 1", "a", ""),
        ("\n\n#a\r\n#\r\n#  b\r\n\r\n# c\r\nlet x = 1", "a\n\n b", "c"),
        ("let y = 2 # no\nlet x = 1", "", ""),
        ("let y = 2\n  # yes\nlet x = 1", "", "yes"),
        ("# only", "only", None),
    ],
)
def test_what_a_comment_documents(text: str, module: str, declaration: str | None) -> None:
    parsed = good(text)
    assert parsed.documentation == module
    if declaration is not None:
        assert parsed.declarations[-1].documentation == declaration  # type: ignore[union-attr]


def reparsed(node: object, text: str) -> object:
    """What the text of a node is when it stands alone in a place for such nodes."""
    if isinstance(node, tree.Module | tree.TypeExpr):
        return node
    if isinstance(node, tree.Argument):
        return value(f"f({text})").arguments[0]  # type: ignore[union-attr]
    if isinstance(node, tree.Parameter):
        return good(f"block B({text}) {{}}").declarations[0].parameters[0]  # type: ignore[union-attr]
    if isinstance(node, tree.Declaration):
        return good(text).declarations[0]
    if isinstance(node, tree.Statement):
        return body(text)[0]
    return value(text)


SPANNED = [EVERYTHING, *(path.read_text(encoding="utf-8") for path in specs())]


@pytest.mark.parametrize("text", SPANNED)
def test_the_span_of_every_node_is_what_was_written(text: str) -> None:
    """Read alone, the text of a node gives the node: nothing is missing and nothing too much."""
    for node in nodes(good(text)):
        written = node.span.text
        assert written == written.strip() or isinstance(node, tree.Module)
        if isinstance(node, tree.Name | tree.TypeName):
            assert written == node.id
        elif not (isinstance(node, tree.Body) and not written.startswith("{")):
            assert bare(reparsed(node, written)) == bare(node)


@pytest.mark.parametrize("text", SPANNED)
def test_spans_nest(text: str) -> None:
    for node in nodes(good(text)):
        for field in node:
            inner = [field] if is_node(field) else field if isinstance(field, tuple) else []
            spans = [field] if isinstance(field, Span) else [n.span for n in inner if is_node(n)]
            for span in spans:
                assert node.span.start <= span.start <= span.end <= node.span.end


def test_the_span_of_a_pipeline_includes_its_parentheses() -> None:
    (statement,) = body("(a + b) -> C * (d)")
    assert statement.span.text == "(a + b) -> C * (d)"
    assert isinstance(statement, tree.ExprStatement)
    assert statement.value.span.text == "(a + b) -> C * (d)"
    assert statement.value.stages[0].span.text == "a + b"  # type: ignore[union-attr]


def test_the_reserved_words_are_those_of_the_language() -> None:
    words = (
        "use from let block model data train on input output auxiliary layer parameter "
        "require as step updates every minimize repeat for in if else and or not true false "
        "none it"
    )
    literals = {text for text in automaton.tables().literals if text.isalpha()}
    assert literals == set(words.split())


def test_the_stored_tables_are_those_of_the_grammar() -> None:
    built = tables.build(automaton.read_grammar())
    stored = automaton.STORED.read_text(encoding="utf-8")
    assert stored == tables.to_json(built), "run `python -m dlspec.syntax.tables`"
    assert automaton.from_json(stored) == built


def test_another_grammar_gets_tables_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = automaton.read_grammar().replace('"repeat"', '"again"')
    monkeypatch.setattr(automaton, "read_grammar", lambda: grammar)
    fresh = automaton.tables.__wrapped__()
    assert "again" in fresh.literals
    assert "repeat" not in fresh.literals


def test_every_rule_has_its_action_and_every_action_its_rule() -> None:
    rules = automaton.tables().rules
    assert {rule.action for rule in rules if rule.action} == ACTIONS.keys()
    assert all(rule.length == 1 for rule in rules if rule.action is None)


def test_the_grammar_is_free_of_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    """Lark mends a shift/reduce conflict silently and only logs it."""
    lark.logger.setLevel("DEBUG")
    try:
        lark.Lark(
            automaton.read_grammar(), parser="lalr", lexer="basic", start="module", debug=True
        )
    finally:
        lark.logger.setLevel("CRITICAL")
    assert "onflict" not in caplog.text
    with pytest.raises(lark.exceptions.GrammarError):
        lark.Lark('start: a "x" | b "x"\na: "y"\nb: "y"', parser="lalr")


def test_the_grammar_names_no_layer() -> None:
    comments = re.sub(r"//.*", "", automaton.read_grammar())
    assert not re.search(r"Conv|Dense|ReLU|Pool|Norm|Attention|Dropout", comments)


def test_tokens_say_where_they_stand() -> None:
    report = Report()
    source = decode("test", EVERYTHING.encode(), report)
    assert source is not None
    for token in read(source.text, Mistakes(source, report))[:-1]:
        assert source.text[token.start : token.end] == token.text
