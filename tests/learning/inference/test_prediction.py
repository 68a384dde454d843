"""learning/inference/prediction.py: the label of an image does not depend on the images beside it."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from datasets.options.loading import LoadOptions
from learning.inference.prediction import ImageFile, predict_files
from models.graph.folded import FrozenSession
from tests.conftest import tiny_model, v1


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
