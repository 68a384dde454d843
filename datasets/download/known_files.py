"""List the official files of data sets with their sizes and SHA-256.

The files of CIFAR-10 and MNIST match the publishers' MD5 sums, and other libraries use the same hashes. Microsoft
publishes none for Asirra; its hash is the one that others report.
"""

from dataclasses import dataclass

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_TORONTO = "https://www.cs.toronto.edu/~kriz"
_MICROSOFT = "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F"


@dataclass(frozen=True)
class OfficialFile:
    """A published file: its https address, size in bytes and SHA-256 in hex."""

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
