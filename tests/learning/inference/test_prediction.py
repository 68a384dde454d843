"""learning/inference/prediction.py: the label of an image does not depend on the images beside it."""

import io
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from datasets.folder import load_folder
from datasets.options.loading import LoadOptions
from learning.inference.prediction import predict_files
from learning.terminal.image_files import ImageFile, image_files
from models.graph.folded import FrozenSession
from tests.conftest import TinyNet, tf, tiny_model, v1


@pytest.fixture
def runs(monkeypatch):
    """The sessions that were made for folded weights, and the runs of each."""
    made = []
    run, make = FrozenSession.run, FrozenSession.__init__

    def noted_make(self, *arguments):
        make(self, *arguments)
        made.append(0)

    def noted_run(self, *arguments, **options):
        made[-1] += 1
        return run(self, *arguments, **options)

    monkeypatch.setattr(FrozenSession, "__init__", noted_make)
    monkeypatch.setattr(FrozenSession, "run", noted_run)
    return made


@pytest.mark.parametrize(("count", "expected"), [(150, [3]), (63, [])])
def test_all_images_go_through_one_graph_whichever_can_be_read(session, runs, count, expected):
    picture = io.BytesIO()
    Image.fromarray(np.full((12, 12, 3), 90, np.uint8)).save(picture, "PNG")
    contents = [picture.getvalue()] * count
    contents[5] = b"no image"  # leaves 63 in its chunk
    files = [ImageFile(f"{i}.png", lambda content=content: content) for i, content in enumerate(contents)]
    config = SimpleNamespace(
        data=LoadOptions(image_size=12, crop_size=10), train=SimpleNamespace(batch_size=64)
    )
    model = tiny_model()
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    rows = list(
        predict_files(sess, model, files, SimpleNamespace(config=config, class_names=["a", "b"]), top_k=2)
    )
    assert [bool(row.error) for row in rows] == [i == 5 for i in range(count)]
    assert runs == expected


def test_the_images_in_tar_archives_are_labelled_and_named_by_archive_and_member(tmp_path):
    for name in ("a", "holiday"):
        with tarfile.open(tmp_path / f"{name}.tar", "w:") as archive:
            member = tarfile.TarInfo("holiday/1.jpg")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"image"))
    [file] = image_files([str(tmp_path / "a.tar")])
    assert (file.name, file.read()) == (str(tmp_path / "a.tar" / "holiday" / "1.jpg"), b"image")
    names = [file.name for file in image_files([str(tmp_path)])]
    assert names == [str(tmp_path / f"{name}.tar" / "holiday" / "1.jpg") for name in ("a", "holiday")]


def test_a_folder_inside_an_archive_may_have_the_name_of_another_archive(tmp_path):
    for name in ("a", "x"):
        with tarfile.open(tmp_path / f"{name}.tar", "w:") as archive:
            for member, content in (("x/1.jpg", b"image"), ("x/1.cls", b"cat")):
                described = tarfile.TarInfo(member)
                described.size = len(content)
                archive.addfile(described, io.BytesIO(content))
    names = [file.name for file in image_files([str(tmp_path)])]
    assert names[0] == str(tmp_path / "a.tar" / "cat" / "x" / "1.jpg")


@pytest.mark.parametrize("resize", ["squash", "crop", "letterbox"])
def test_images_are_resized_as_those_of_the_run_were(session, tmp_path, resize):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (20, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    options = LoadOptions(
        image_size="12x16", crop_size="10x14", resize=resize, val_fraction=0, test_fraction=0
    )
    dataset = load_folder(tmp_path / "images", options).train
    with tf.Graph().as_default():
        model = TinyNet((10, 14, 3), 2)
        sess = session(model)
        sess.run(v1.global_variables_initializer())
    assert dataset.crop_shape == model.input_shape
    expected = model.predict(sess, dataset, augment_pred=False)
    files = image_files([str(tmp_path / "images")])
    config = SimpleNamespace(data=options, train=SimpleNamespace(batch_size=64))
    run = SimpleNamespace(config=config, class_names=["a", "b"])
    found = [dict(row.classes)["a"] for row in predict_files(sess, model, files, run, top_k=2)]
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-5)
