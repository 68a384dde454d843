"""Checks of configured values: each is a ValueError that names the option, its value and what it must be."""

import math
import types
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from models.options import check

KINDS: dict[Any, tuple[Any, str]] = {
    bool: (bool, "true or false"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    dict: (Mapping, "a mapping"),
}


def check_positive(section: str, config: Any, *names: str) -> None:
    """The options named are finite and above 0."""
    for name in names:
        value = getattr(config, name)
        check(0 < value < math.inf, f"{section}.{name}", value, "a positive number")


def check_not_negative(section: str, config: Any, *names: str) -> None:
    """The options named are finite, and 0 or more."""
    for name in names:
        value = getattr(config, name)
        check(0 <= value < math.inf, f"{section}.{name}", value, "zero or a positive number")


def check_fraction(section: str, config: Any, *names: str) -> None:
    """The options named are at least 0 and below 1."""
    for name in names:
        value = getattr(config, name)
        check(0 <= value < 1, f"{section}.{name}", value, "a fraction: at least 0 and below 1")


def check_types(section: str, config: Any) -> None:
    """Every field of the frozen dataclass `config` is of its annotated type.

    NumPy's numbers become Python's, which is what a checkpoint can hold; lists become tuples.
    """
    for name, annotation in get_type_hints(type(config)).items():
        value = _as_type(getattr(config, name), annotation, f"{section}.{name}")
        object.__setattr__(config, name, value)


def _as_type(value: Any, annotation: Any, where: str) -> Any:
    if type(value).__module__ == "numpy":
        value = value.tolist()  # Python's numbers, in lists
    origin, choices = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        known = any(type(value) is type(choice) and value == choice for choice in choices)
        check(known, where, value, f"one of {', '.join(map(str, choices))}")
        return value
    if origin in (Union, types.UnionType):  # of a type and None
        return None if value is None else _as_type(value, choices[0], where)
    if origin is tuple:
        check(isinstance(value, list | tuple), where, value, "a list")
        return tuple(_as_type(item, choices[0], where) for item in value)
    kind = origin or annotation
    accepted, name = KINDS[kind]
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    check(fits, where, value, name)
    try:
        return kind(value)
    except OverflowError as error:  # an integer of more than 308 digits as float
        raise ValueError(f"{where} is too large; it must be {name} below 1e308") from error
