"""Read JSON, YAML and text files that may be damaged or hostile, within limits of size."""

import json
import stat
from pathlib import Path
from typing import Any, NoReturn

import yaml

MAX_JSON_BYTES = 16 * 2**20  # of a file that describes a run or a folder
MAX_JSON_VALUES = 600_000  # each takes about fifty bytes of memory, however short its text
MAX_YAML_BYTES = 2**16  # of a recipe or a configuration; parsing takes a thousand times as much memory
MAX_YAML_VALUES = 10_000  # including the repetitions of aliases


def read_text(path: Path, max_bytes: int) -> str:
    """Return the UTF-8 text of a file.

    :raises ValueError: the file is larger than `max_bytes`, not a regular file, or not text.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path.name} is not a regular file")  # reading a pipe could wait forever
    if status.st_size > max_bytes:
        raise ValueError(f"{path.name} is larger than {max_bytes} bytes")
    return path.read_text(encoding="utf-8")


def parse_json(text: str, max_values: int = MAX_JSON_VALUES) -> Any:
    """Return the value of a JSON text.

    :raises ValueError: the text is not JSON (which has no NaN) or holds too many values.
    """
    if sum(map(text.count, ",[{")) > max_values:
        raise ValueError(f"more than {max_values} values")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parse_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Return the plain value of a YAML text.

    :raises ValueError: the text is too large, also by its aliases, or nested too deeply.
    :raises yaml.YAMLError: the text is not YAML.
    """
    if len(text) > MAX_YAML_BYTES:
        raise ValueError(f"more than {MAX_YAML_BYTES} characters")
    try:
        value = loader(text).get_single_data()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    count, waiting = 0, [value]
    while waiting:  # a message that repeats such a value would be as large as the value written out
        item = waiting.pop()
        count += 1
        if count > MAX_YAML_VALUES:
            raise ValueError(f"more than {MAX_YAML_VALUES} values")
        waiting += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
