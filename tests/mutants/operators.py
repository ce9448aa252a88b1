"""Small faults of a module, one at a time, from its syntax tree.

A mutant is known by what it does to which line of which function, not by where that line stands:
its id, and with it the sample that a seed draws, survives edits elsewhere in the file.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_PAIRS = [
    "max min", "maximum minimum", "amax amin", "any all", "argmax argmin", "floor ceil", "cos sin",
    "zeros ones", "zeros_like ones_like", "nanmax nanmin", "row_stack column_stack", "less greater",
]  # fmt: skip
_TWINS = {a: b for pair in _PAIRS for a, b in (pair.split(), pair.split()[::-1])}
_DROPPED_CALLS = {"abs", "sqrt", "square", "log", "exp", "tanh", "conjugate", "clip", "copy"}
_SYMMETRIC = {"vecdot", "maximum", "minimum", "max", "min", "union1d", "broadcast_shapes", "hypot"}
_SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "bases", "type_params"}
_SKIPPED_KEYWORDS = {"strict", "stacklevel"}
"""Arguments that guard against faults which the mutants do not make."""


@dataclass(frozen=True)
class Mutant:
    """One fault. ``number`` tells it from equal ones in the same function, ``index`` applies it."""

    module: str
    where: str
    line: str
    change: str
    number: int
    index: int

    @property
    def id(self) -> str:
        """Ten hexadecimal digits of all but the ``index``."""
        return _digest(self.module, self.where, self.line, self.change, str(self.number))[:10]

    def rank(self, seed: int) -> str:
        """Mutants of a module are drawn in this order."""
        return _digest(str(seed), self.id)


@dataclass(frozen=True)
class _Site:
    parent: ast.AST
    field: str
    position: int | None
    old: ast.AST
    new: ast.AST
    where: str


def mutants(module: str, source: str) -> list[Mutant]:
    """All of them, in the order of the source."""
    lines, seen, found = source.splitlines(), Counter(), []
    for index, site in enumerate(_sites(ast.parse(source))):
        line = lines[site.old.lineno - 1].strip()
        old, new = (ast.unparse(_head(node)) for node in (site.old, site.new))
        key = (site.where, line, f"{old}  →  {new}")
        found.append(Mutant(module, *key, seen[key], index))
        seen[key] += 1
    return found


def mutated(source: str, mutant: Mutant) -> str:
    """The module with the fault; comments are lost."""
    tree = ast.parse(source)
    for index, site in enumerate(_sites(tree)):
        if index == mutant.index:
            if site.position is None:
                setattr(site.parent, site.field, site.new)
            else:
                getattr(site.parent, site.field)[site.position] = site.new
            return ast.unparse(ast.fix_missing_locations(tree))
    raise ValueError(f"the source has no site {mutant.index}: {mutant.change}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _head(node: ast.AST) -> ast.AST:
    """A statement without its body, for its description."""
    return node.test if isinstance(node, ast.If) else node


def _sites(tree: ast.Module) -> Iterator[_Site]:
    yield from _walk(tree, ())


def _walk(parent: ast.AST, scope: tuple[str, ...]) -> Iterator[_Site]:
    for field, value in ast.iter_fields(parent):
        if field in _SKIPPED_FIELDS:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for position, node in children:
            if not isinstance(node, ast.AST) or _skipped(node, scope):
                continue
            for new in _replacements(node, parent):
                ast.copy_location(new, node)
                yield _Site(parent, field, position, node, new, ".".join(scope))
            if isinstance(node, ast.Raise):  # what an error says is not of the mathematics
                continue
            named = isinstance(node, ast.ClassDef | ast.FunctionDef)
            yield from _walk(node, (*scope, node.name) if named else scope)


def _skipped(node: ast.AST, scope: tuple[str, ...]) -> bool:
    """Names of types, texts, and arguments that only guard."""
    if isinstance(node, ast.FunctionDef):
        return node.name == "__repr__"
    if isinstance(node, ast.keyword):
        return node.arg in _SKIPPED_KEYWORDS
    if not scope and isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr)
    if not scope and isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id in ("tuple", "list", "dict")
    return isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)


def _replacements(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    kind = type(node).__name__
    if kind in _RULES:
        yield from _RULES[kind](node)
    if kind == "Constant" and not _is_text(node):
        yield from _constants(node.value)


def _is_text(node: ast.Constant) -> bool:
    return not isinstance(node.value, int | float)


def _constants(value: float) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
        return
    yield ast.Constant(value + 1)
    if value:
        yield ast.Constant(2 * value)
        yield ast.UnaryOp(ast.USub(), ast.Constant(value))


def _changed(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    """Another operation, or one of the two terms dropped."""
    if type(node.op) in _ARITHMETIC:
        yield _changed(node, op=_ARITHMETIC[type(node.op)]())
    if isinstance(node.op, ast.MatMult | ast.Sub | ast.Div | ast.Pow):
        yield _changed(node, left=node.right, right=node.left)
    if not isinstance(node.op, ast.MatMult):
        yield copy.copy(node.left)
    if isinstance(node.op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr):
        yield copy.copy(node.right)
    elif isinstance(node.op, ast.Sub):
        yield ast.UnaryOp(ast.USub(), node.right)


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for k, op in enumerate(node.ops):
        for other in _COMPARISONS[type(op)]:
            yield _changed(node, ops=[*node.ops[:k], other(), *node.ops[k + 1 :]])


def _boolean(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for k in range(len(node.values)):
        rest = node.values[:k] + node.values[k + 1 :]
        yield _changed(node, values=rest) if len(rest) > 1 else copy.copy(rest[0])


def _unary(node: ast.UnaryOp) -> Iterator[ast.AST]:
    yield copy.copy(node.operand)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    """Arguments swapped, a function for its twin, or the function dropped."""
    name = node.func
    called = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    for k in range(0 if starred or called in _SYMMETRIC else len(node.args) - 1):
        first, second = node.args[k : k + 2]
        if ast.dump(first) != ast.dump(second):
            yield _changed(node, args=[*node.args[:k], second, first, *node.args[k + 2 :]])
    if called in _TWINS:
        named = {"attr" if isinstance(name, ast.Attribute) else "id": _TWINS[called]}
        yield _changed(node, func=_changed(name, **named))
    if called in _DROPPED_CALLS and not starred:
        module = isinstance(name, ast.Name) or getattr(name.value, "id", "") in ("np", "math")
        if module and len(node.args) == 1:
            yield copy.copy(node.args[0])
        elif not module:
            yield copy.copy(name.value)


def _slice(node: ast.Slice) -> Iterator[ast.AST]:
    """Each bound dropped, and shifted by one."""
    for bound in ("lower", "upper", "step"):
        value = getattr(node, bound)
        if value is None:
            continue
        yield _changed(node, **{bound: None})
        if bound != "step" and not isinstance(value, ast.Constant):
            yield _changed(node, **{bound: ast.BinOp(value, ast.Add(), ast.Constant(1))})


def _attribute(node: ast.Attribute) -> Iterator[ast.AST]:
    if node.attr in ("T", "mT"):
        yield copy.copy(node.value)


def _choice(node: ast.IfExp) -> Iterator[ast.AST]:
    yield copy.copy(node.body)
    yield copy.copy(node.orelse)


def _if(node: ast.If) -> Iterator[ast.AST]:
    yield _changed(node, test=ast.UnaryOp(ast.Not(), node.test))


def _comprehension(node: ast.comprehension) -> Iterator[ast.AST]:
    """Without its conditions; the location is that of the first."""
    if node.ifs:
        node.lineno, node.col_offset = node.ifs[0].lineno, node.ifs[0].col_offset
        node.end_lineno = node.end_col_offset = None
        yield _changed(node, ifs=[])


def _removed(node: ast.stmt) -> Iterator[ast.AST]:
    """A statement of which others do not depend for their names."""
    if isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name | ast.Tuple) for target in node.targets
    ):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Yield):
        return
    yield ast.Pass()


def _augmented(node: ast.AugAssign) -> Iterator[ast.AST]:
    yield ast.Pass()
    if type(node.op) in _ARITHMETIC:
        yield _changed(node, op=_ARITHMETIC[type(node.op)]())


_RULES = {
    "BinOp": _binary, "Compare": _compare, "BoolOp": _boolean, "UnaryOp": _unary, "Call": _call,
    "Slice": _slice, "Attribute": _attribute, "IfExp": _choice, "If": _if, "AugAssign": _augmented,
    "comprehension": _comprehension, "Expr": _removed, "Assign": _removed, "Raise": _removed,
    "Break": _removed, "Continue": _removed,
}  # fmt: skip
