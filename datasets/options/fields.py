"""Declare each option once, with its default, its help text and its range.

    @dataclass(frozen=True, kw_only=True)
    class Resize(CheckedOptions):
        section = "resize"

        size: int = option(256, "side in pixels of the squares that images are resized to", POSITIVE)

The command line, its help and the checks of values follow from these declarations.
"""

import dataclasses
import functools
import math
import re
import types
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from datasets.errors import OptionError, suggestion

AUTO = "auto"
Options = TypeVar("Options", bound="CheckedOptions")

Size = int | tuple[int, int]  # of an image in pixels: the side of a square, or (height, width)

_HEIGHT_X_WIDTH = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")
_KINDS: dict[Any, tuple[Any, str]] = {
    bool: (bool, "true or false"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    dict: (Mapping, "a mapping"),
}


def sides(size: Size) -> tuple[int, int]:
    """Return the height and the width in pixels."""
    return size if isinstance(size, tuple) else (size, size)


def _is_factor(value: Any) -> bool:
    """Return whether a value is a finite number, zero or positive; true and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


class Range(NamedTuple):
    """The values that an option may have.

    :ivar holds: returns whether a value of the annotated type lies in the range.
    :ivar expected: the range in words, to follow "it must be".
    """

    holds: Callable[[Any], bool]
    expected: str


POSITIVE = Range(lambda value: 0 < value < math.inf, "a positive number")
NOT_NEGATIVE = Range(lambda value: 0 <= value < math.inf, "zero or a positive number")
FRACTION = Range(lambda value: 0 <= value < 1, "a fraction: at least 0 and below 1")
SIZE = Range(lambda value: min(sides(value)) > 0, "a positive number of pixels, or HxW as in 96x128")
FACTOR = Range(lambda value: 0 < value <= 1, "above 0 and at most 1")
SEED = Range(lambda value: 0 <= value < 2**31, "zero or a positive number below 2147483648")
OPTION_NAMES = Range(lambda value: all(isinstance(key, str) for key in value), "a mapping of option names")
FACTORS = Range(
    lambda value: all(isinstance(name, str) and _is_factor(factor) for name, factor in value.items()),
    "a mapping of regular expressions to factors, such as {stem: 0.1}",
)
NOT_EMPTY = Range(lambda value: bool(value.strip()), "some text, or null")
ASCENDING = Range(lambda value: [0, *value] == sorted({0, *value}), "growing positive numbers of updates")
SHARE = Range(lambda value: 0 <= value <= 1, "within 0 to 1")


class Option(NamedTuple):
    """The declaration of an option.

    :ivar annotation: its type.
    :ivar help: a phrase without a full stop.
    :ivar values: its range, if narrower than the type.
    :ivar used_by: the values of the same class's option `name` that use this one; empty for all.
    :ivar auto: the word "auto" is a value too; a number replaces it when the data are known.
    """

    annotation: Any
    default: Any = None
    help: str = ""
    values: Range | None = None
    used_by: tuple[str, ...] = ()
    auto: bool = False


def option(
    default: Any,
    help_text: str,
    values: Range | None = None,
    *,
    used_by: tuple[str, ...] = (),
    auto: bool = False,
) -> Any:
    """Return a dataclass field that declares an `Option`.

    :param default: immutable, or a dict, of which every instance gets a copy.
    """
    metadata = {"default": default, "help": help_text, "values": values, "used_by": used_by, "auto": auto}
    start: Any = {"default_factory": default.copy} if isinstance(default, dict) else {"default": default}
    return dataclasses.field(**start, metadata=metadata)


@functools.cache
def options_of(owner: type) -> Mapping[str, Option]:
    """Return the options that a dataclass declares or inherits, by name and in their order."""
    hints, fields = get_type_hints(owner), dataclasses.fields(owner)
    return types.MappingProxyType(
        {field.name: Option(hints[field.name], **field.metadata) for field in fields}
    )


def check(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise OptionError with the value of an option, and what it must be, unless the condition `holds`."""
    if not holds:
        raise OptionError(f"{name} is {value!r}; it must be {expected}")


def check_known(values: Any, owner: type, section: str = "") -> None:
    """Raise OptionError, with a suggestion, unless `values` is a mapping of options that the class declares."""
    if not isinstance(values, Mapping):
        where = section or "the configuration"
        raise OptionError(f"{where} holds {values!r}; it must be a mapping of options")
    known = options_of(owner)
    for key in values:
        if key not in known:
            name = f"{section}.{key}" if section else key
            raise OptionError(f"unknown option {name}; {suggestion(str(key), known)}")


@dataclasses.dataclass(frozen=True)
class CheckedOptions:
    """Base of option classes, which checks every field and converts it to its type.

    :cvar section: put before the names of options in messages, as in data.image_size.
    :raises OptionError: names the first wrong option, its value and what it must be.
    """

    section: ClassVar[str] = ""

    def __post_init__(self) -> None:
        owner: type = type(self)
        for name, declared in options_of(owner).items():
            value = checked_option(getattr(self, name), declared, self.full_name(name))
            object.__setattr__(self, name, value)

    def full_name(self, name: str) -> str:
        """Return the name of an option with its section, for messages."""
        return f"{self.section}.{name}" if self.section else name

    def _require(self, holds: bool, name: str, expected: str) -> None:
        check(holds, self.full_name(name), getattr(self, name), expected)


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """Return a copy of options with some of them changed by name.

    :raises OptionError: a name is unknown (the message suggests a known one), or a value is wrong.
    """
    known = [field.name for field in dataclasses.fields(options)]
    for name in changes:
        if name not in known:
            raise OptionError(f"there is no option '{name}'; {suggestion(name, known)}")
    return dataclasses.replace(options, **changes)


def checked_option(value: Any, declared: Option, name: str) -> Any:
    """Return the value of a declared option as `checked` does; "auto" stays a word where it is allowed."""
    if declared.auto and value == AUTO:
        return value
    return checked(value, declared.annotation, name, declared.values)


def checked(value: Any, annotation: Any, name: str, values: Range | None = None) -> Any:
    """Return the value converted to its annotated type; None, where it is allowed, is in every range.

    NumPy's numbers become Python's, which a checkpoint can hold; lists become tuples.

    :raises OptionError: the value is of another type or out of range.
    """
    value = _typed(value, annotation, name)
    if values is not None and value is not None:
        check(values.holds(value), name, value, values.expected)
    return value


def _typed(value: Any, annotation: Any, name: str) -> Any:
    if type(value).__module__ == "numpy":
        value = value.tolist()  # Python's numbers, in lists
    if annotation == Size:
        return _size(value, name)
    origin, choices = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        known = any(type(value) is type(choice) and value == choice for choice in choices)
        check(known, name, value, f"one of {', '.join(map(str, choices))}")
        return value
    if origin in (Union, types.UnionType):  # of types and None
        return None if value is None and type(None) in choices else _typed(value, choices[0], name)
    if origin is tuple:
        check(isinstance(value, list | tuple), name, value, "a list")
        return tuple(_typed(item, choices[0], name) for item in value)
    kind = origin or annotation
    accepted, words = _KINDS[kind]
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    check(fits, name, value, words)
    try:
        return kind(value)
    except OverflowError as error:  # an integer of more than 308 digits as float
        raise OptionError(f"{name} is too large; it must be {words} below 1e308") from error


def _size(value: Any, name: str) -> Size:
    """Return a size, given as a number, as text such as 96x128, or as a list; equal sides become one number."""
    expected = "a whole number, or height and width, as in 96x128 or [96, 128]"
    found = _HEIGHT_X_WIDTH.fullmatch(value) if isinstance(value, str) else None
    value = [int(side) for side in found.groups()] if found else value
    if not isinstance(value, list | tuple):
        check(isinstance(value, Integral) and not isinstance(value, bool), name, value, expected)
        return int(value)
    check(len(value) == 2, name, value, expected)
    height, width = (_typed(side, int, name) for side in value)
    return height if height == width else (height, width)
