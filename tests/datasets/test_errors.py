import ast
import errno
from pathlib import Path

import pytest

import datasets
from datasets.errors import (
    ClassMismatchError,
    DataError,
    OptionError,
    StorageError,
    escape_name,
    is_storage_condition,
    shortened,
)


def test_exit_codes():
    kinds = [OptionError, DataError, ClassMismatchError, StorageError]
    assert [kind.exit_code for kind in kinds] == [2, 3, 4, 6]
    assert all(issubclass(kind, DataError) for kind in kinds[:3])
    assert not issubclass(StorageError, DataError)  # a full disk says nothing about the data


def test_which_errors_of_the_system_are_conditions_of_the_storage():
    for number in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE, errno.ENAMETOOLONG):
        assert is_storage_condition(OSError(number, "")), number
    for error in (FileNotFoundError(errno.ENOENT, ""), ConnectionResetError(), OSError("text"), ValueError()):
        assert not is_storage_condition(error), error


@pytest.mark.fault(11)
@pytest.mark.parametrize(
    ("name", "shown"),
    [("고양이.jpg", "고양이.jpg"), ("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\udcff", "\\udcff")],
)
def test_names_stay_on_one_line(name, shown):
    assert escape_name(name) == shown


def test_a_long_list_is_shortened():
    assert shortened([]) == "nothing"
    assert shortened("ab") == "'a', 'b'"
    assert shortened("abcdefg", limit=3) == "'a', 'b', 'c' and 4 more"


def test_datasets_imports_neither_tensorflow_nor_the_other_packages():
    for path in Path(datasets.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module]
            assert not {m.split(".")[0] for m in modules} & {"tensorflow", "models", "learning"}, path
