"""What setup.cfg installs: every package, every recipe, every library that the product imports."""

import ast
import configparser
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from learning.config.recipes import CONFIGS

ROOT = Path(__file__).resolve().parents[2]
# Libraries that are imported under another name than they are installed by.
OTHER_NAMES = {
    "PIL": "pillow", "python_multipart": "python-multipart", "sklearn": "scikit-learn", "yaml": "pyyaml",
    "ai_edge_litert": "ai-edge-litert",
}  # fmt: skip
# Packages that may import the libraries of extras.
EXTRAS = {
    "learning/serving": ("serve",),
    "learning/tracking": ("tensorboard", "mlflow"),
    "learning/export": ("export",),
    "learning/export/formats": ("export",),
}


@pytest.fixture
def options():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_the_recipes_are_installed_with_the_packages(options):
    assert CONFIGS == ROOT / "configs"
    # `find:` would leave out configs, which has no __init__.py.
    assert options["options"]["packages"] == "find_namespace:"
    include = options["options.packages.find"]["include"].split()
    assert set(include) == {"datasets*", "models*", "learning*", CONFIGS.name}
    rooms = {
        path.parent for room in ("datasets", "models", "learning") for path in (ROOT / room).rglob("*.py")
    }
    assert [room for room in rooms if not (room / "__init__.py").exists()] == []
    patterns = options["options.package_data"][CONFIGS.name].split()
    installed = {path for pattern in patterns for path in CONFIGS.glob(pattern)}
    assert installed == {path for path in CONFIGS.iterdir() if path.name != "__pycache__"} != set()


def test_the_packages_say_that_they_are_typed(options):
    for room in ("datasets", "models", "learning"):
        assert (ROOT / room / "py.typed").is_file()
        assert "py.typed" in options["options.package_data"][room].split()


def test_every_command_is_a_function(options):
    lines = options["options.entry_points"]["console_scripts"].strip().splitlines()
    for line in lines:
        assert callable(pkgutil.resolve_name(line.partition(" = ")[2])), line


def libraries(lines):
    """Return the libraries in a list of requirements."""
    return {re.split(r"[\[<>=]", line)[0] for line in lines.split("\n") if line}


def test_every_library_that_the_product_imports_is_declared(options):
    declared = libraries(options["options"]["install_requires"])
    listed = options["options.extras_require"]
    extras = {
        ROOT / room: set().union(*(libraries(listed[extra]) for extra in names))
        for room, names in EXTRAS.items()
    }
    ours = {"datasets", "models", "learning", "_typeshed"}  # the last is known to type checkers alone
    missing = {}
    for path in [*ROOT.glob("*.py"), *(path for room in ours for path in (ROOT / room).glob("**/*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} - ours - sys.stdlib_module_names:
                if OTHER_NAMES.get(name, name) not in declared | extras.get(path.parent, set()):
                    missing[name] = path.name
    assert missing == {}


def test_all_files_of_a_package_are_installed(options):
    data = options["options.package_data"]
    others = {
        path
        for room in ("datasets", "models", "learning")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
    }
    installed = {
        path
        for package, patterns in data.items()
        for pattern in patterns.split()
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    assert others <= installed


@pytest.mark.long
def test_an_installation_has_its_recipes_and_commands(tmp_path):
    """Needs pip and setuptools; no network."""
    subprocess.run(["git", "clone", "-q", ROOT, tmp_path / "clone"], check=True)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", tmp_path / "site", tmp_path / "clone"], check=True)
    code = (
        "from learning.config import command_line, recipes\n"
        "assert recipes.CONFIGS.is_relative_to(sys.argv[1]), recipes.CONFIGS\n"
        "print(command_line.parse_train(['--config', 'resnet-asirra', '--data-dir', '.']).config.recipe)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1])\n{code}", tmp_path / "site"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "resnet-asirra", done.stderr
    for name in ("train", "test", "predict", "export", "serve", "check"):
        command = [sys.executable, tmp_path / "site" / "bin" / f"sessionnet-{name}", "--help"]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert (done.returncode, "usage: " in done.stdout) == (0, True), done.stderr
