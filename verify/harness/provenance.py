"""Where a record comes from: the sources it was computed from, the versions, the device."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import platform
from collections.abc import Collection, Iterator
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, final

from verify.harness.paths import ROOT

PACKAGES = ("rkbs", "verify")
COMPUTES = ("evidence", "run", "sweep")
"""The modules of the harness that a verdict depends on: the others run and show claims."""
_HARNESS = "verify.harness."


@final
class Sources:
    """The sources of ``rkbs`` and ``verify`` as they were when this was made.

    Processes may wait, and sources be edited meanwhile: what a process has imported is what it
    found when it began.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._modules = {
            _name(path.relative_to(root)): _Module(path.read_text(encoding="utf-8"))
            for package in PACKAGES
            for path in sorted((root / package).rglob("*.py"))
        }
        self._fingerprints: dict[str, str] = {}

    @property
    def modules(self) -> Collection[str]:
        """The names of all modules."""
        return self._modules.keys()

    def fingerprint(self, module: str) -> str:
        """A hash of the code of ``closure(module)``, without comments, docstrings and statements.

        A record of a claim whose module has another fingerprint was made by other code: it is
        stale. Of a module that is none of these sources (a test's): of all texts as they are.
        """
        if module not in self._fingerprints:
            digest = hashlib.sha256()
            if module in self._modules:
                parts = {name: self._modules[name].digest for name in self.closure(module)}
            else:
                parts = {name: source.text for name, source in self._modules.items()}
            for name in sorted(parts):
                digest.update(f"{name}\n{parts[name]}\n".encode())
            self._fingerprints[module] = digest.hexdigest()[:16]
        return self._fingerprints[module]

    def closure(self, module: str) -> frozenset[str]:
        """The module, and those that define the names it imports, transitively.

        A package's ``__init__`` counts for what it defines, not for what it re-exports; of the
        harness counts what computes; what is imported for type checkers only does not count.
        """
        found, waiting = set(), [module]
        while waiting:
            name = waiting.pop()
            if name not in found and _counts(name):
                found.add(name)
                waiting += self.imported_by(name)
        return frozenset(found)

    def imported_by(self, module: str) -> list[str]:
        """The modules that define the names that a module imports from these packages."""
        return [home for source, name in self.imports(module) for home in self._homes(source, name)]

    def imports(self, module: str) -> list[tuple[str, str]]:
        """(where from, name) of what a module imports from these packages; no name: all of it."""
        return self._modules[module].imports

    def declares(self, module: str, word: str) -> bool:
        """Whether the claim of a module says ``word=True`` in its decorator: asked of the source.

        So it is known of a claim that cannot be imported here, and costs no import.
        """
        return word in self._modules[module].declared

    def passes_on(self, module: str) -> bool:
        """Whether a module re-exports names of others."""
        return module in self._modules and bool(self._modules[module].exports)

    def _homes(self, source: str, name: str) -> list[str]:
        """Where ``from source import name`` finds it; all of a package that is imported whole."""
        whole = f"{source}.{name}" if name else source
        if whole in self._modules:
            exported = self._modules[whole].exports.values()
            return [whole, *(home for names in exported for home in self._homes(*names))]
        exports = self._modules[source].exports
        return self._homes(*exports[name]) if name in exports else [source]


@final
class _Module:
    """One source: what it imports, and a digest of its code."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> list[tuple[str, str]]:
        """At any depth."""
        return [found for node in _running(self.tree) for found in _imports(node)]

    @cached_property
    def exports(self) -> dict[str, tuple[str, str]]:
        """What ``__init__`` imports at its top, for type checkers or not: name → where from."""
        if not any(_binds_all(node) for node in self.tree.body):
            return {}
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom))
        return {
            alias.asname or alias.name: (node.module, alias.name)
            for node in nodes
            for alias in node.names
            if node.module.split(".")[0] in PACKAGES
        }

    @cached_property
    def declared(self) -> frozenset[str]:
        """What is set to True in the decorator of a claim."""
        functions = (node for node in self.tree.body if isinstance(node, ast.FunctionDef))
        calls = (call for node in functions for call in node.decorator_list if _is_claim(call))
        words = (word for call in calls for word in call.keywords)
        return frozenset(word.arg for word in words if ast.unparse(word.value) == "True")

    @cached_property
    def digest(self) -> str:
        words: list[str] = []
        _spell(self.tree, words)
        return hashlib.sha256("\0".join(words).encode()).hexdigest()


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _counts(module: str) -> bool:
    return not module.startswith(_HARNESS) or module.removeprefix(_HARNESS) in COMPUTES


def _binds_all(node: ast.stmt) -> bool:
    """Whether a statement is ``__all__ = …``: a module that says what it passes on."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one, except what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _running(child)


def _imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in PACKAGES:
        yield from ((node.module, alias.name) for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from ((a.name, "") for a in node.names if a.name.split(".")[0] in PACKAGES)


def _spell(node: Any, words: list[str]) -> None:
    """A syntax tree in words that are the same in all versions of Python.

    Docstrings, and what a claim says of itself in its decorator, are left out.
    """
    if isinstance(node, list):
        words.append("[")
        for entry in node:
            _spell(entry, words)
        words.append("]")
    elif isinstance(node, ast.AST):
        words.append(type(node).__name__)
        for field in node._fields:
            value = _told(node, field)
            if value is not None and value != []:  # fields that a version has not yet are empty
                words.append(field)
                _spell(value, words)
    else:
        words.append(repr(node))


def _told(node: ast.AST, field: str) -> Any:
    value = getattr(node, field, None)
    if field == "body" and isinstance(value, list):
        return [entry for entry in value if not _is_text(entry)]
    if field == "decorator_list":
        return [entry for entry in value if not _is_claim(entry)]
    return value


def _is_text(node: ast.stmt) -> bool:
    """A string that stands alone: a docstring, of whatever it follows."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_claim(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "claim"


LOADED = Sources()
"""The sources of this process."""


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the results depend on."""
    names = ("numpy", "scipy", "scikit-learn", "sympy", "python-flint", "torch")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def installed(package: str) -> bool:
    """Whether a package can be imported, which this does not."""
    return importlib.util.find_spec(package) is not None


def describe_device(device: str) -> str:
    """The device in words: the GPU's own name where there is one, the processor's kind if not."""
    if device.startswith("cuda"):
        import torch

        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {platform.machine()}, {os.cpu_count()} cores"
