"""Recipes: which file a run starts from, and what it holds. Imports no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from datasets.catalogue import DATASETS
from datasets.storage.paths import expanded
from datasets.storage.untrusted import MAX_YAML_BYTES, parse_yaml
from learning.config.run_config import SECTIONS, check_keys
from learning.errors import UsageError
from models.catalogue import dotted_path
from models.options import suggestion

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def recipe_path(recipe: str | None, data_name: str | None, data_dir: str | None) -> Path:
    """The recipe's file: the one asked for, by path or by the name of one in `CONFIGS`, or else the data set's own.

    Where the data set has no name it is a folder of images if there is a path, and else the digits.
    """
    if recipe is not None:
        named = CONFIGS / f"{recipe.removesuffix('.yaml')}.yaml"
        path, suffixed = expanded(recipe), expanded(f"{recipe}.yaml")
        if path.is_file():
            return path
        if path.parent == Path() and named.is_file():
            return named
        return suffixed if suffixed.is_file() else path
    default = DATASETS["digits" if data_dir is None else "folder"]
    entry = default if data_name is None else DATASETS.get(data_name, default)
    return CONFIGS / f"{entry.recipe}.yaml"


def read_recipe(path: Path) -> dict[str, Any]:
    """The nested values that a recipe's file holds, with known names. UsageError that names the file."""
    try:
        with path.open(encoding="utf-8") as file:
            values = parse_yaml(file.read(MAX_YAML_BYTES + 1)) or {}
    except FileNotFoundError as error:
        known = [file.stem for file in CONFIGS.glob("*.yaml")]
        raise UsageError(
            f"there is no recipe {path}; in {CONFIGS}, {suggestion(path.stem, known)}"
        ) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the recipe {path}: {' '.join(str(error).split())}") from error
    try:
        check_keys(values)
    except ValueError as error:
        raise UsageError(f"in the recipe {path}: {error}") from error
    return dict(values)


def override(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with the values that win over it. Another network than the recipe's starts without its options."""
    kept = dict(recipe)
    model = recipe.get("model", {})
    name = model.get("name", SECTIONS["model"]().name)
    asked = given.get("model", {}).get("name", name)
    if dotted_path(asked) != dotted_path(name):
        kept["model"] = {**model, "options": {}}
    return merge(kept, given)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dictionaries as one, `over` winning."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The options of a nested configuration by the names that the command line gives them: data.image_size."""
    flat = {}
    for key, value in values.items():
        if key in SECTIONS and not prefix:
            flat.update(flatten(value, f"{key}."))
        else:
            flat[prefix + key] = value
    return flat
