"""Fields of option classes: each option is declared once, with its default, its help text and its range.

    @dataclass(frozen=True, kw_only=True)
    class Resize:
        size: int = option(256, "side in pixels of the squares that images are resized to", POSITIVE)

        def __post_init__(self) -> None:
            check_fields(self, "resize")

The command line, its help and the checks of values are made of these declarations.
"""

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from datasets.errors import OptionError, suggestion

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")

KINDS: dict[Any, tuple[Any, str]] = {
    bool: (bool, "true or false"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    dict: (Mapping, "a mapping"),
}


class Range(NamedTuple):
    """The values that an option may have.

    :ivar holds: whether a value, already of the annotated type, lies in the range.
    :ivar expected: the range in words, to follow "it must be".
    """

    holds: Callable[[Any], bool]
    expected: str


POSITIVE = Range(lambda value: 0 < value < math.inf, "a positive number")
NOT_NEGATIVE = Range(lambda value: 0 <= value < math.inf, "zero or a positive number")
FRACTION = Range(lambda value: 0 <= value < 1, "a fraction: at least 0 and below 1")
SHARE = Range(lambda value: 0 <= value <= 1, "within 0 to 1")


def option(default: Any, help_text: str, values: Range | None = None) -> Any:
    """Return a dataclass field with help for people and, where the type does not say it all, a range.

    :param default: immutable, or a dict, which every instance gets a copy of.
    """
    metadata = {"help": help_text, "range": values}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def check(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise OptionError unless it `holds`: what the option is, and what it must be."""
    if not holds:
        raise OptionError(f"{name} is {value!r}; it must be {expected}")


def check_fields(options: Any, section: str = "") -> None:
    """Check the type and the range of every field of a frozen dataclass. None is in every range.

    NumPy's numbers become Python's, which is what a checkpoint can hold; lists become tuples.

    :param section: put before the names of options in messages: data.image_size.
    :raises OptionError: names the first option that is wrong, its value and what it must be.
    """
    hints = get_type_hints(type(options))
    for field in dataclasses.fields(options):
        name = f"{section}.{field.name}" if section else field.name
        value = typed(getattr(options, field.name), hints[field.name], name)
        object.__setattr__(options, field.name, value)
        values: Range | None = field.metadata.get("range")
        if values is not None and value is not None:
            check(values.holds(value), name, value, values.expected)


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """Return a copy of a frozen dataclass with some fields changed by name.

    :raises OptionError: a name is unknown (the message suggests a known one), or a value is wrong.
    """
    known = [field.name for field in dataclasses.fields(options)]
    for name in changes:
        if name not in known:
            raise OptionError(f"there is no option '{name}'; {suggestion(name, known)}")
    return dataclasses.replace(options, **changes)


def typed(value: Any, annotation: Any, name: str) -> Any:
    """Return the value as its annotation has it.

    :raises OptionError: it is of another type.
    """
    if type(value).__module__ == "numpy":
        value = value.tolist()  # Python's numbers, in lists
    origin, choices = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        known = any(type(value) is type(choice) and value == choice for choice in choices)
        check(known, name, value, f"one of {', '.join(map(str, choices))}")
        return value
    if origin in (Union, types.UnionType):  # of types and None
        return None if value is None and type(None) in choices else typed(value, choices[0], name)
    if origin is tuple:
        check(isinstance(value, list | tuple), name, value, "a list")
        return tuple(typed(item, choices[0], name) for item in value)
    kind = origin or annotation
    accepted, words = KINDS[kind]
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    check(fits, name, value, words)
    try:
        return kind(value)
    except OverflowError as error:  # an integer of more than 308 digits as float
        raise OptionError(f"{name} is too large; it must be {words} below 1e308") from error
