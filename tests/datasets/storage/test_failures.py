import errno

import pytest

from datasets.errors import StorageError
from datasets.storage.failures import storage_errors


def test_a_storage_failure_says_why_and_what_to_do(tmp_path):
    with (
        pytest.raises(
            StorageError, match=r"^cannot write x: No space left \(\d+ MiB free\); make room$"
        ) as error,
        storage_errors(tmp_path, "cannot write x", "make room"),
    ):
        raise OSError(errno.ENOSPC, "No space left")
    assert isinstance(error.value.__cause__, OSError)


@pytest.mark.parametrize(
    "error", [OSError(errno.EINVAL, "Invalid argument"), LookupError("x"), KeyboardInterrupt()]
)
def test_other_errors_pass(tmp_path, error):
    with pytest.raises(type(error)) as raised, storage_errors(tmp_path, "cannot write x", "make room"):
        raise error
    assert raised.value is error


def test_a_missing_folder_does_not_hide_an_error_of_the_program(tmp_path):
    with pytest.raises(LookupError), storage_errors(tmp_path / "gone", "cannot write x", "make room"):
        raise LookupError
    with pytest.raises(StorageError), storage_errors(tmp_path / "gone", "cannot write x", "make room"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
