"""Small breaks of a module's text, each a mutant: what a test should notice."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from types import CodeType

SMALL = 10
"""Numbers below it are also changed by one; of larger ones, mostly bounds on sizes, only 0 is tried."""
TEXT_CHARS = 70
"""Characters on each side of a change that its text shows."""
HERE = "mutated_here"
"""Stands for what is changed while a statement is worded; within a text with values, other signs would be escaped."""

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
TYPES = frozenset({"Literal", "TypeVar", "Annotated", "Union", "Callable"})
"""What builds a type: nothing of it runs."""
FORM = frozenset({"frozen", "kw_only", "gc"})
"""What a class says of its values' form."""


@dataclass(frozen=True)
class Mutant:
    """One break: `function` is the outermost function that it lies in, "" outside of any, or where one is made.

    Shape: `binds` are the names by which that function, or the statement outside of any, is used; `lines` are those of
    the statement that is broken.
    """

    file: str
    scope: str
    function: str
    binds: frozenset[str]
    text: str
    lines: range
    compiled: Callable[[], CodeType]

    @cached_property
    def code(self) -> CodeType:
        """Return the whole module's code."""
        return self.compiled()


@dataclass(frozen=True)
class _Place:
    """Where a node stands: the field of its parent, and the statement around it."""

    parent: ast.AST
    field: str
    index: int | None
    statement: ast.stmt
    scope: str
    function: str
    whole: ast.stmt
    """The outermost function, or the statement outside of any."""

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(file: str, source: str, before: str = "") -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its lines, but none of a part that it had `before`."""
    tree = ast.parse(source)
    same = {(place.function or place.scope, ast.unparse(place.whole)) for _, place in _walk(ast.parse(before))}
    seen: Counter[tuple[str, str]] = Counter()
    written: dict[ast.stmt, str] = {}
    for node, place in list(_walk(tree)):
        part = written.get(place.whole) or written.setdefault(place.whole, ast.unparse(place.whole))
        if (place.function or place.scope, part) in same:
            continue
        for new in _changes(node, place):
            text = _text(node, new, place)
            seen[place.scope, text] += 1
            count = seen[place.scope, text]
            said = text if count == 1 else f"{text} ({count})"
            broken = node if isinstance(node, ast.stmt) else place.statement
            binds = frozenset(bound(place.whole)) | frozenset(place.scope.split(".")[-1:]) - {""}
            yield Mutant(
                file,
                place.scope,
                place.function,
                binds,
                said,
                _lines(broken),
                partial(_compiled, tree, file, node, new, place),
            )


def _compiled(tree: ast.Module, file: str, old: ast.AST, new: ast.AST, place: _Place) -> CodeType:
    place.put(ast.copy_location(new, old))
    code = compile(ast.fix_missing_locations(tree), file, "exec", dont_inherit=True)
    place.put(old)
    return code


def bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names by which what a statement makes is used."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, _Place]]:
    """Yield each node that runs."""
    for index, statement in enumerate(tree.body):
        yield from _within(statement, _Place(tree, "body", index, statement, "", "", statement))


def _within(node: ast.AST, place: _Place) -> Iterator[tuple[ast.AST, _Place]]:
    if _skipped(node, place):
        return
    yield node, place
    statement = node if isinstance(node, ast.stmt) else place.statement
    named = isinstance(node, ast.FunctionDef | ast.ClassDef)
    inner = f"{place.scope}.{node.name}".lstrip(".") if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "format_spec", "type_params", "ctx"):
            continue
        runs = named and field == "body"
        scope = inner if runs else place.scope
        function = place.function
        if runs and not function and isinstance(node, ast.FunctionDef):
            function = inner
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                whole = place.whole if place.function else statement
                if isinstance(child, ast.stmt) and not function:
                    whole = child
                yield from _within(child, _Place(node, field, index, statement, scope, function, whole))


def _skipped(node: ast.AST, place: _Place) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.arg():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True  # a docstring
        case ast.Subscript(value=ast.Name(id=name)) | ast.Call(func=ast.Name(id=name)) if name in TYPES:
            return True
        case ast.keyword(arg=name) if isinstance(place.parent, ast.ClassDef) and name in FORM:
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
    return isinstance(place.parent, ast.Raise)  # the words of a message


# --- what is changed -------------------------------------------------------------------------------------------------


def _changes(node: ast.AST, place: _Place) -> Iterator[ast.AST]:
    match node:
        case ast.Constant():
            yield from _constants(node, place)
        case ast.Compare():
            for at, op in enumerate(node.ops):
                for other in COMPARISONS[type(op)]:
                    ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
                    yield ast.Compare(left=node.left, ops=ops, comparators=node.comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(op=ast.Or() if isinstance(op, ast.And) else ast.And(), values=values)
            for at in range(len(values)):
                rest = [*values[:at], *values[at + 1 :]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op=op, values=rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left=left, op=ARITHMETIC[type(op)](), right=right)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in CALLS:
            yield ast.Call(func=ast.Name(id=CALLS[name], ctx=ast.Load()), args=args, keywords=keywords)
        case ast.stmt():
            yield from _statements(node)
    yield from _conditions(node, place)


def _conditions(node: ast.AST, place: _Place) -> Iterator[ast.AST]:
    compared = isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.NamedExpr)
    if place.field == "test" and isinstance(node, ast.expr) and not compared:
        yield ast.UnaryOp(op=ast.Not(), operand=node)
    if place.field == "ifs" and isinstance(place.parent, ast.comprehension):
        yield ast.Constant(value=True)


def _constants(node: ast.Constant, place: _Place) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(value=not value)
    elif isinstance(value, int | float):
        others = [0, value + 1, value - 1] if abs(value) < SMALL and place.function else [0 if value else 1]
        yield from (ast.Constant(value=type(value)(other)) for other in dict.fromkeys(others) if other != value)
    elif isinstance(value, str) and _chosen(place):
        yield ast.Constant(value=f"not {value}")


def _chosen(place: _Place) -> bool:
    """Tell words that are compared, chosen from or returned from those of a message."""
    if isinstance(place.parent, ast.Compare | ast.MatchValue | ast.Set):
        return True
    returned = isinstance(place.parent, ast.Tuple) and isinstance(place.statement, ast.If | ast.Return)
    return bool(place.function) and returned


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Continue() | ast.Break() | ast.Return(value=None):
            yield ast.Pass()
        case ast.Return(value=ast.Compare() | ast.BoolOp() | ast.UnaryOp() | ast.Constant()):
            return
        case ast.Return():
            yield ast.Return(value=ast.Constant(value=None))


# --- how it is named -------------------------------------------------------------------------------------------------


def _text(old: ast.AST, new: ast.AST, place: _Place) -> str:
    """Word a change: the statement around it, with what it was and what it is."""
    if isinstance(old, ast.stmt):
        return f"[[{_short(ast.unparse(old))} -> {ast.unparse(new)}]]"
    place.put(ast.Name(id=HERE, ctx=ast.Load()))
    around = " ".join(ast.unparse(place.statement).split())
    place.put(old)
    before, _, after = around.partition(HERE)
    before = before if len(before) <= TEXT_CHARS else f"...{before[-TEXT_CHARS:]}"
    after = after if len(after) <= TEXT_CHARS else f"{after[:TEXT_CHARS]}..."
    return f"{before}[[{_short(ast.unparse(old))} -> {_short(ast.unparse(new))}]]{after}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 2 * TEXT_CHARS else f"{flat[:TEXT_CHARS]}...{flat[-TEXT_CHARS:]}"


def _lines(statement: ast.stmt) -> range:
    """Return the lines of a simple statement, or of the head of one that has a body."""
    body: list[ast.stmt] = getattr(statement, "body", [])
    end = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(statement.lineno, end) + 1)
