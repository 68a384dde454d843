import ast
from pathlib import Path

import pytest

import datasets
from datasets.errors import ClassMismatchError, DataError, OptionError, StorageError, escape_name, shortened


def test_exit_codes():
    kinds = [OptionError, DataError, ClassMismatchError, StorageError]
    assert [kind.exit_code for kind in kinds] == [2, 3, 4, 6]
    assert all(issubclass(kind, DataError) for kind in kinds)


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


def test_this_room_imports_neither_tensorflow_nor_its_neighbours():
    for path in Path(datasets.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module]
            assert not {m.split(".")[0] for m in modules} & {"tensorflow", "models", "learning"}, path
