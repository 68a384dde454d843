"""Read the values of declared options from a command line and from YAML files."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from datasets.errors import UsageError
from datasets.options.fields import Option, Size, check_known, checked_option, options_of
from datasets.storage.paths import expanded
from datasets.storage.untrusted import MAX_YAML_BYTES, parse_yaml


class _Loader(yaml.SafeLoader):
    """Read YAML with Python's numbers, such as 1e-3, and with dates as text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)


def text_value(text: str, annotation: Any = Any) -> Any:
    """Return the value of a text: a choice if the annotation lists it, else YAML, else the text itself."""
    is_word = get_origin(annotation) is Literal and text in get_args(annotation)
    is_text = annotation is str or (annotation == str | None and text != "null")
    if is_word or is_text or (annotation == Size and "x" in text):  # 0x20 would be a hexadecimal number
        return text
    with contextlib.suppress(ValueError):
        return int(text)  # 010 is 10, and not 8 as in YAML 1.1
    try:
        value = parse_yaml(text, _Loader)
    except (ValueError, yaml.YAMLError):
        return text
    return text if isinstance(value, str) or not text.strip() else value


def read_values(values: Any, owner: type, section: str) -> dict[str, Any]:
    """Return the values of a section after checking their names, types and ranges.

    Text is converted if the option is not text, since YAML 1.1 reads 1e-3 as text.

    :raises OptionError: names the option, its value and what it must be.
    """
    check_known(values, owner, section)
    declared = options_of(owner)
    return {key: _read_value(value, declared[key], f"{section}.{key}") for key, value in values.items()}


def _read_value(value: Any, declared: Option, name: str) -> Any:
    if isinstance(value, str):
        value = text_value(value, declared.annotation)
    if isinstance(value, dict):
        value = {key: text_value(item) if isinstance(item, str) else item for key, item in value.items()}
    return checked_option(value, declared, name)


def nested_values(
    given: Iterable[tuple[str, str]], sections: Mapping[str, type]
) -> dict[str, dict[str, Any]]:
    """Return the values of each section from `ScriptParser`'s (name, text) pairs; the last of a name wins.

    :raises UsageError: names the option, its value and what it must be.
    """
    nested: dict[str, dict[str, Any]] = {}
    for name, text in given:
        section, option, key = (*name.split(".", 2), "", "")[:3]
        values = nested.setdefault(section, {})
        if key:
            values.setdefault(option, {})[key] = text_value(text)
        else:
            found = {option: text} if option else _mapping(text, section)
            values |= read_values(found, sections[section], section)
    return {section: values for section, values in nested.items() if values}


def _mapping(text: str, section: str) -> Any:
    """Return the value of a text in YAML, or of the YAML file that it names."""
    value = text_value(text)
    if not isinstance(value, str):
        return value
    try:
        return read_yaml(expanded(value))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--{section} {text}: {reason}; give a mapping of options in YAML, or a file with one"
        ) from error


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file or pipe; raise OSError, ValueError or YAMLError if it cannot be read."""
    with path.open(encoding="utf-8") as file:
        return parse_yaml(file.read(MAX_YAML_BYTES + 1))
