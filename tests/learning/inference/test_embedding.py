"""learning/inference/embedding.py: features of image files with their names."""

import numpy as np
import pytest

from datasets.dataset import DataSet
from learning.errors import StorageError, UsageError
from learning.inference.embedding import Embedding
from tests.learning.inference.test_explanation import HandNet, build, started

BRIGHT = np.array([0, 51, 255])  # of three images: their features are (x, 1 - x)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("layer", "shape"), [(None, (3, 2)), ("maps", (3, 2, 3, 2))])
def test_the_archive_has_the_values_and_names_of_all_chunks(session, tmp_path, precision, layer, shape):
    model = build(HandNet, (4, 6, 1), precision=precision)
    sess, path = started(session, model), tmp_path / "values.npz"
    images = np.broadcast_to(BRIGHT[:, None, None, None], (3, 4, 6, 1)).astype(np.uint8)
    embedding = Embedding(model, path, layer, 2)
    for rows, names in ((slice(2), ["a/1.png", "ü\n.png"]), (slice(2, 3), ["c.png"])):
        embedding.add(sess, names, DataSet(images[rows], crop_size=(4, 6)), np.empty(0))
    embedding.finish()
    with np.load(path) as found:
        assert found["files"].tolist() == ["a/1.png", "ü\n.png", "c.png"]
        assert str(found["layer"]) == (layer or "features")
        values = found["values"]
    assert (values.shape, values.dtype) == (shape, np.float32)
    expected = np.stack([BRIGHT / 255, 1 - BRIGHT / 255], axis=1)  # (3, 2)
    np.testing.assert_allclose(values.reshape(3, -1, 2).mean(axis=1), expected, atol=0.01)


def test_an_unknown_tensor_lists_those_of_the_images(tmp_path):
    model = build(HandNet, (4, 6, 1))
    with pytest.raises(
        UsageError, match=r"HandNet has no tensor 'x' of images; .*: features, logits, maps, pred$"
    ):
        Embedding(model, tmp_path / "values.npz", "x", 2)


@pytest.mark.fault(33)
def test_no_image_is_an_empty_archive_and_no_folder_one_line(tmp_path):
    model = build(HandNet, (4, 6, 1))
    Embedding(model, tmp_path / "values.npz", None, 2).finish()
    with np.load(tmp_path / "values.npz") as found:
        assert (len(found["files"]), len(found["values"])) == (0, 0)
    with pytest.raises(StorageError, match=r"cannot write .*gone/values.npz: No such file .*; make room"):
        Embedding(model, tmp_path / "gone" / "values.npz", None, 2).finish()
