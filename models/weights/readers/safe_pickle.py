"""Read pickles without running them: a small machine that knows the operations of plain data.

A pickle is a program for a machine with a stack, and the ordinary reader imports and calls whatever the program
names. Here a name is only a string. It must be in the table that the format's reader passes in, whose function is
called and keeps its arguments. Python's module pickle is not used.
"""

import pickletools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, BinaryIO

from models.weights.errors import WeightsError
from models.weights.readers.limits import MAX_NAME, shown

MAX_OPERATIONS = 2_000_000  # ResNet-152 has 40,000
MAX_DEPTH = 16  # of dictionaries and lists within each other
_LARGEST_KEY = 2**31  # integers beyond it could be chosen so that a dictionary takes quadratic time

_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Name(str):
    """A class or function that a pickle names, such as "collections.OrderedDict"; nothing is imported."""


class Buildable:
    """A value that takes the state which a pickle sets after creating it."""

    def build(self, state: Any) -> None:
        """Take the state; raise WeightsError if it is not of the expected form."""
        raise NotImplementedError


def load_pickle(
    file: BinaryIO,
    functions: Mapping[str, Callable[..., Any]],
    names: Collection[str] = (),
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle from `file`, up to its end.

    :param functions: what stands in for the functions that the pickle may call, by their whole names.
    :param names: names that the pickle may mention as values, which become `Name`s.
    :param persistent: returns the value that a persistent id stands for.
    :return: dictionaries, lists, tuples, numbers, strings, bytes, and what `functions` return; the strings of
        Python 2 are decoded as Latin-1.
    :raises WeightsError: another name or operation occurs. Garbled pickles may raise any other exception.
    """
    return _Machine(functions, names, persistent).run(file)


class _Machine:
    """The stack, the marks on it, and the values that were remembered."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        names: Collection[str],
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        self._functions, self._names, self._persistent = functions, names, persistent
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}
        self._actions: dict[str, Callable[[], None]] = {
            "MARK": self._mark, "MEMOIZE": lambda: self._put(len(self._memo)),
            "EMPTY_DICT": lambda: self._push({}), "EMPTY_LIST": lambda: self._push([]),
            "DICT": lambda: self._push(_set_items({}, self._above_mark())),
            "LIST": lambda: self._push(self._above_mark()),
            "TUPLE": lambda: self._push(tuple(self._above_mark())),
            "APPEND": lambda: self._append([self._pop()]), "APPENDS": lambda: self._append(self._above_mark()),
            "SETITEM": lambda: self._set([self._pop(), self._pop()][::-1]),
            "SETITEMS": lambda: self._set(self._above_mark()),
            "STACK_GLOBAL": lambda: self._name(".".join([self._pop(), self._pop()][::-1])),
            "REDUCE": self._call, "BUILD": self._build, "BINPERSID": self._find_persistent,
        }  # fmt: skip

    def run(self, file: BinaryIO) -> Any:
        """Do all operations and return what is on the stack at the end."""
        for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
            if count >= MAX_OPERATIONS:
                raise WeightsError(
                    f"its pickle has more than {MAX_OPERATIONS} operations; do not use this file"
                )
            self._do(operation.name, argument)
        return self._pop()

    def _do(self, operation: str, argument: Any) -> None:
        if operation in _VALUES:
            self._push(argument)
        elif operation in _CONSTANTS:
            self._push(_CONSTANTS[operation])
        elif operation in _PUTS:
            self._put(argument)
        elif operation in _GETS:
            self._push(self._memo[argument])
        elif operation in _TUPLES:
            self._push(tuple([self._pop() for _ in range(_TUPLES[operation])][::-1]))
        elif operation == "GLOBAL":
            self._name(argument.replace(" ", "."))
        elif operation in self._actions:
            self._actions[operation]()
        elif operation not in _IGNORED:
            raise WeightsError(
                f"its pickle has the operation {operation}, which weights do not need; do not use this file"
            )

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        return self._stack.pop()

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _above_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._outer.pop()
        return values

    def _put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _append(self, values: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise WeightsError("its pickle is garbled; download it again")
        self._stack[-1].extend(values)

    def _set(self, pairs: list[Any]) -> None:
        _set_items(self._stack[-1], pairs)

    def _name(self, name: str) -> None:
        if name not in self._functions and name not in self._names:
            raise WeightsError(
                f"its pickle asks for {shown(name)}, which has no place among weights: it was refused and nothing "
                "of it ran; save the weights alone (in PyTorch, model.state_dict()), or do not use this file"
            )
        self._push(Name(name))

    def _call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Name) or function not in self._functions or type(arguments) is not tuple:
            raise WeightsError(
                f"its pickle calls {shown(function)}, which is not a function; do not use this file"
            )
        self._push(self._functions[function](*arguments))

    def _build(self) -> None:
        state, value = self._pop(), self._stack[-1]
        if isinstance(value, Buildable):
            value.build(state)
        elif type(value) is not dict:  # an ordered dictionary may have attributes, which are not weights
            raise WeightsError("its pickle changes a value that cannot change; do not use this file")

    def _find_persistent(self) -> None:
        if self._persistent is None:
            raise WeightsError("its pickle refers to other files; do not use it")
        self._push(self._persistent(self._pop()))


def _set_items(target: Any, pairs: list[Any]) -> dict[Any, Any]:
    if type(target) is not dict or len(pairs) % 2:
        raise WeightsError("its pickle is garbled; download it again")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        is_plain = key is None or isinstance(key, str | bytes | bool)
        if not is_plain and not (type(key) is int and abs(key) < _LARGEST_KEY):
            raise WeightsError("its pickle has a dictionary with other keys than names; do not use this file")
        target[key] = value
    return target


def ordered_dict(items: Any = ()) -> dict[Any, Any]:
    """Stand in for collections.OrderedDict, of pairs in lists or tuples."""
    return _set_items({}, [part for pair in items for part in _pair(pair)])


def _pair(value: Any) -> tuple[Any, Any]:
    first, second = value
    return first, second


def leaves(value: Any, opened: Callable[[Any], Any] = lambda value: value) -> Iterator[tuple[str, Any]]:
    """Yield the values in nested dictionaries, lists and tuples, with their keys or indices joined by '/'.

    :param opened: returns what is in another kind of container; any other value as it is.
    :raises WeightsError: there are far too many, or they are nested too deep: a pickle can repeat a list in itself.
    """
    waiting, visits = [("", value, 0)], 0
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, dict):
            items = list(value.items())
        elif isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            items = list(enumerate(value))
        elif (inside := opened(value)) is not value:
            items = [("", inside)]
        else:
            yield name, value
            continue
        visits += len(items)
        if depth == MAX_DEPTH or visits > MAX_OPERATIONS or len(name) > MAX_NAME:
            raise WeightsError("its values are nested too deep or too many; do not use this file")
        joined = [("/".join(filter(None, (name, _key(key)))), item, depth + 1) for key, item in items]
        waiting.extend(reversed(joined))


def _key(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)
