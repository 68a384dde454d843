"""The rules of docs/architecture.md about packages and imports hold, late imports included."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("datasets", "models", "learning", "benchmarks")
FORBIDDEN = {"datasets": {"models", "learning", "tensorflow"}, "models": {"datasets", "learning"}}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def imported(path):
    """The whole names that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_layers_import_downwards(package):
    of_package = {name: path for name, path in MODULES.items() if name.split(".")[0] == package}
    wrong = {
        name: sorted(bad)
        for name, path in of_package.items()
        if (bad := {other for other in imported(path) if other.split(".")[0] in FORBIDDEN[package]})
    }
    assert wrong == {}


def place_of(module):
    """The package of a module; a module outside of the packages of learning or models stands for itself."""
    return ".".join(module.split(".")[:2])


def refuse_circles(graph):
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_modules_import_each_other_in_a_circle():
    refuse_circles({name: (imported(path) & MODULES.keys()) - {name} for name, path in MODULES.items()})


@pytest.mark.parametrize("package", ["models", "learning"])
def test_no_packages_import_each_other_in_a_circle(package):
    graph = {}
    for name, path in MODULES.items():
        if name.startswith(f"{package}."):
            others = {place_of(other) for other in imported(path) & MODULES.keys()} - {place_of(name)}
            graph.setdefault(place_of(name), set()).update(others)
    refuse_circles(graph)


def test_a_package_has_at_most_a_dozen_modules():
    folders = {path.parent for path in MODULES.values()}
    counts = {
        name_of(folder / "__init__.py"): len(
            [path for path in folder.glob("*.py") if path.stem != "__init__"]
        )
        for folder in folders
    }
    assert {name: count for name, count in counts.items() if count > 12} == {}


@pytest.mark.parametrize(
    ("modules", "most"),
    [(("learning.config.", "learning.programs.command_line"), 515), (("benchmarks.",), 5000)],
)
def test_what_should_stay_small_does(modules, most):
    found = [path for name, path in MODULES.items() if f"{name}.".startswith(modules)]
    assert sum(len(path.read_text().splitlines()) for path in found) < most


@pytest.mark.parametrize(("option", "most"), [("pca_color", 3), ("crop_size", 6)])
def test_an_option_stands_in_few_files(option, most):
    product = [path for name, path in MODULES.items() if not name.startswith("benchmarks")]
    assert sum(bool(re.search(rf"\b{option}\b", path.read_text())) for path in product) <= most
