"""Recipes, the YAML files that runs start from. Imports no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from datasets.catalogue import default_recipe
from datasets.errors import OptionError, suggestion
from datasets.options.fields import check_known
from datasets.options.text_values import read_values, read_yaml
from datasets.storage.paths import expanded
from learning.config.run_config import SECTIONS, RunConfig
from learning.errors import UsageError
from models.catalogue import dotted_path
from models.weights.packaged import PACKAGES

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ORDERED = ("rate_factors",)  # mappings in which the first match counts


def recipe_path(recipe: str | None, given: Mapping[str, Any]) -> Path:
    """Return the file of a recipe that is given as a path or by its name in `CONFIGS`, or else the default.

    :param given: the options that are set, nested.
    """
    if recipe is None:
        model = given.get("model", {})
        is_scratch = model.get("name") not in (None, *PACKAGES) and "init" not in model
        name = default_recipe(
            given.get("data", {}).get("name"), given.get("data_dir"), from_scratch=is_scratch
        )
        return CONFIGS / f"{name}.yaml"
    if not recipe:
        raise UsageError("--config is empty; give a recipe's file or name, or leave it out")
    path = expanded(recipe)
    named = [CONFIGS / f"{recipe.removesuffix('.yaml')}.yaml"] if path.parent == Path() else []
    return next((file for file in (path, *named, expanded(f"{recipe}.yaml")) if file.is_file()), path)


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the nested values of a recipe's file. UsageError, with its name, for wrong names, types or ranges."""
    try:
        values = read_yaml(path) or {}
        check_known(values, RunConfig)
        sections = {key: read_values(values[key], SECTIONS[key], key) for key in SECTIONS.keys() & values}
        return {"recipe": path.stem, **values, **sections}
    except FileNotFoundError as error:
        hint = suggestion(path.stem, [file.stem for file in CONFIGS.glob("*.yaml")])
        raise UsageError(f"there is no recipe {path}; in {CONFIGS}, {hint}") from error
    except OptionError as error:
        raise UsageError(f"in the recipe {path}: {error}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the recipe {path}: {' '.join(str(error).split())}") from error


def override(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with other values put over it; another network starts without the recipe's own options."""
    model = recipe.get("model", {})
    name = model.get("name", SECTIONS["model"]().name)
    asked = given.get("model", {}).get("name", name)
    if dotted_path(asked) != dotted_path(name):
        is_relative = (
            asked in PACKAGES and name in PACKAGES
        )  # which has the same layers, and weights of its own
        own = {"init": asked} if is_relative else {"init": None, "freeze": None}
        recipe = {**recipe, "model": {**model, "options": {}, **own}}
    return merge(recipe, given)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested dictionaries; `over` wins. Its empty dictionaries, and those of `ORDERED`, replace others."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both and value and key not in ORDERED else value
    return merged


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a nested configuration by their names on the command line, such as data.image_size."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= {f"{key}.{name}": item for name, item in value.items()} if key in SECTIONS else {key: value}
    return flat
