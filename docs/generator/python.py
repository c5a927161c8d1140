"""One page of reference for each public module of driftlead, from its docstrings."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Module", "module_pages", "public_modules"]


@dataclass(frozen=True)
class Module:
    """A module as its source says: no import.

    Attributes
    ----------
    name : str
        Such as ``driftlead.detectors``.
    is_package : bool
    exports : tuple of str
        What ``__all__`` lists.
    summary : str
        First line of the docstring.
    """

    name: str
    is_package: bool
    exports: tuple[str, ...]
    summary: str

    @property
    def page(self) -> str:
        """Where its page lies, from the folder of pages."""
        path = "/".join(["reference", "python", *self.name.split(".")[1:]])
        return f"{path}/index.md" if self.is_package else f"{path}.md"

    @property
    def sources(self) -> tuple[str, ...]:
        """Its file, or its folder and that folder's file, from the repository's root."""
        path = f"src/{self.name.replace('.', '/')}"
        return (path, f"{path}/__init__.py") if self.is_package else (f"{path}.py",)


def public_modules(source: Path) -> list[Module]:
    """Return all modules below a folder of which no part of the name is private, packages first."""
    found = []
    for path in sorted(source.rglob("*.py")):
        parts = list(path.relative_to(source.parent).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        parts = parts[:-1] if is_package else parts
        if any(part.startswith("_") for part in parts):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        summary = (ast.get_docstring(tree) or "").partition("\n")[0]
        found.append(Module(".".join(parts), is_package, _exports(tree), summary))
    return sorted(found, key=lambda module: module.name.split("."))


def _exports(tree: ast.Module) -> tuple[str, ...]:
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return tuple(ast.literal_eval(statement.value))  # type: ignore[attr-defined]
    return ()


def module_pages(modules: list[Module]) -> dict[str, str]:
    """Return the text of each module's page, by its path."""
    by_name = {module.name: module for module in modules}
    return {module.page: _page(module, by_name) for module in modules}


def _page(module: Module, by_name: dict[str, Module]) -> str:
    package = by_name.get(module.name.rpartition(".")[0])
    exported = set(package.exports) if package else set()
    # What the package exports is shown there, under the name that it is imported by.
    elsewhere = [name for name in module.exports if name in exported]
    own = [name for name in module.exports if name not in exported]
    options = f"      members: {own or 'false'}\n"
    text = f"::: {module.name}\n    options:\n{options}"
    if package and elsewhere:
        links = ", ".join(f"[`{name}`][{package.name}.{name}]" for name in elsewhere)
        text += f"\nShown where they are imported from, in [`{package.name}`][{package.name}]: {links}.\n"
    inside = [each for each in by_name.values() if each.name.rpartition(".")[0] == module.name]
    if inside:
        text += "\n## Modules { .modules }\n\n| module | is |\n|---|---|\n"
        text += "".join(f"| [`{each.name}`][{each.name}] | {_cell(each.summary)} |\n" for each in inside)
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
