"""learning/evaluation/worst_errors.py: the most confident errors, and their pictures."""

import numpy as np
from PIL import Image

from learning.evaluation.predicted_images import PredictedImages
from learning.evaluation.worst_errors import worst_errors, write_errors
from tests.conftest import make_set, tiny_model, v1
from tests.support.hand_net import HandNet, build, started

PREDICTIONS = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [np.nan, np.nan], [0.95, 0.05], [0.6, 0.4]])
TRUTH = np.array([1, 1, 0, 1, 0, 1])
IMAGES = PredictedImages([f"{number}.png" for number in range(6)], TRUTH, PREDICTIONS, ["a", "b"])


def test_the_most_confidently_wrong_come_first():
    assert worst_errors(IMAGES).tolist() == [0, 2, 5]
    many = PredictedImages(range(40), np.ones(40, int), np.eye(2)[np.zeros(40, int)], ["a", "b"])
    assert worst_errors(many).tolist() == list(range(16))


def test_each_has_its_crop_and_what_speaks_for_the_wrong_class(session, tmp_path):
    model = build(HandNet, (8, 10, 1))
    dataset = make_set(6, crop=(8, 10))
    dataset = type(dataset)(dataset.images[..., :1], file_names=IMAGES.files, crop_size=(8, 10))
    sess = started(session, model)
    folder = tmp_path / "test-errors"
    for _ in range(2):  # the second takes the place of the first
        found = write_errors(sess, model, dataset, IMAGES, folder)
    assert [entry["file"] for entry in found] == ["0.png", "2.png", "5.png"]
    picture = "test-errors/00.jpg"
    expected = {"file": "0.png", "true": "b", "predicted": "a", "probability": 0.9, "picture": picture}
    assert found[0] == expected
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["00.jpg", "01.jpg", "02.jpg", "test-errors"]
    with Image.open(folder / "01.jpg") as drawn:  # black speaks for "b"
        assert drawn.size == (2 * 120, 96)
        left, right = (
            np.asarray(drawn.convert("RGB"), int)[:, part] for part in (slice(100), slice(140, 240))
        )
    assert np.ptp(left, axis=2).max() < 12  # grey
    assert np.ptp(right, axis=2).max() > 100  # coloured


def test_a_network_without_feature_maps_has_crops_alone_and_no_errors_no_folder(session, tmp_path):
    model = tiny_model()
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    dataset, folder = make_set(6), tmp_path / "test-errors"
    found = write_errors(sess, model, dataset, IMAGES, folder)
    with Image.open(tmp_path / found[0]["picture"]) as drawn:
        assert drawn.size == (120, 120)
    assert write_errors(sess, model, dataset, IMAGES._replace(truth=IMAGES.predicted), folder) == []
    assert list(tmp_path.iterdir()) == []
