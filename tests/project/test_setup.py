"""What setup.cfg installs: every package, every recipe, every library that the product imports."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from learning.config.recipes import CONFIGS

ROOT = Path(__file__).resolve().parents[2]
# Libraries that are imported under another name than they are installed by.
OTHER_NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}


@pytest.fixture
def options():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_the_recipes_are_installed_beside_the_packages(options):
    assert CONFIGS == ROOT / "configs"
    include = options["options.packages.find"]["include"].split()
    assert set(include) == {"datasets*", "models*", "learning*", CONFIGS.name}
    rooms = {
        path.parent for room in ("datasets", "models", "learning") for path in (ROOT / room).rglob("*.py")
    }
    assert [room for room in rooms if not (room / "__init__.py").exists()] == []
    patterns = options["options.package_data"][CONFIGS.name].split()
    installed = {path for pattern in patterns for path in CONFIGS.glob(pattern)}
    assert installed == {path for path in CONFIGS.iterdir() if path.name != "__pycache__"} != set()


def test_every_library_that_the_product_imports_is_declared(options):
    declared = {
        re.split(r"[\[<>=]", line)[0] for line in options["options"]["install_requires"].split("\n") if line
    }
    ours = {"datasets", "models", "learning"}
    missing = {}
    for path in [*ROOT.glob("*.py"), *(path for room in ours for path in (ROOT / room).glob("**/*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} - ours - sys.stdlib_module_names:
                if OTHER_NAMES.get(name, name) not in declared:
                    missing[name] = path.name
    assert missing == {}


def test_whatever_lies_in_a_package_is_installed(options):
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
def test_an_installation_has_its_recipes(tmp_path):
    """Needs pip and setuptools; no network."""
    subprocess.run(["git", "clone", "-q", ROOT, tmp_path / "clone"], check=True)
    install = [
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        tmp_path / "site",
    ]
    subprocess.run([sys.executable, *install, tmp_path / "clone"], check=True)
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
