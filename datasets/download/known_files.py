"""The official files of data sets, known by size and SHA-256.

The hashes are of the files that the publishers' MD5 sums (CIFAR-10, MNIST) name, as several other libraries pin
them; Microsoft publishes none for Asirra, so its hash is the one that others found there.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from datasets.errors import DataError, escape_name
from datasets.storage.paths import file_digest

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_TORONTO = "https://www.cs.toronto.edu/~kriz"
_MICROSOFT = "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F"


@dataclass(frozen=True)
class OfficialFile:
    """A file as its publisher has it.

    :param size: bytes.
    :param sha256: hex digest.
    """

    url: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError(f"{self.url} is not https; give an address that is")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


CIFAR10_PYTHON = OfficialFile(
    f"{_TORONTO}/cifar-10-python.tar.gz",
    170_498_071,
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
CIFAR10_BINARY = OfficialFile(
    f"{_TORONTO}/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
ASIRRA = OfficialFile(
    f"{_MICROSOFT}/kagglecatsanddogs_5340.zip",
    824_887_076,
    "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
)
MNIST = (
    OfficialFile(
        f"{_MNIST}/train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    OfficialFile(
        f"{_MNIST}/train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    OfficialFile(
        f"{_MNIST}/t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    OfficialFile(
        f"{_MNIST}/t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
# The archives that are compared wherever they come from. MNIST's files are not among them: other sets, such as
# Fashion-MNIST, have their names on purpose, and their form is checked byte by byte.
ARCHIVES: tuple[OfficialFile, ...] = (CIFAR10_PYTHON, CIFAR10_BINARY, ASIRRA)


def check_official(path: Path) -> None:
    """Refuses a file that has the name of an official archive and another content; any other name is let through.

    :raises DataError: with the expected and the actual size or hash.
    """
    for file in ARCHIVES:
        if file.name == path.name and path.is_file():
            compare(
                file,
                path,
                "download it again, or, if you changed it on purpose, unpack it and give the folder, or give it "
                "another name",
            )


def compare(file: OfficialFile, path: Path, advice: str) -> None:
    """Refuses a file on the disk that is not the official one.

    :param advice: what to do about it.
    """
    shown, status = escape_name(str(path)), path.stat()
    if status.st_size != file.size:
        raise DataError(
            f"'{shown}' is not the official file: expected {file.size} bytes, got {status.st_size}; {advice}"
        )
    actual = _sha256(path, status.st_size, status.st_mtime_ns)
    if actual != file.sha256:
        raise DataError(
            f"'{shown}' is not the official file: expected SHA-256 {file.sha256}, got {actual}; {advice}"
        )


@lru_cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Once in a process for each state of a file."""
    return file_digest(path)
