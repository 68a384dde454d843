"""docs/porting.md: its lines of code run, and its errors are those of TensorFlow."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import TinyNet, make_set

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "porting.md").read_text(encoding="utf-8")
IMPORTS = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "ConvNet" in block)


def snippets(heading):
    """Return the right column of the table under a heading, without backticks."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    return [re.fullmatch(r"\| .* \| `(.*)` \|", row)[1] for row in rows]


@pytest.mark.parametrize("snippet", snippets("Layers"))
def test_a_layer(snippet):
    with tf.Graph().as_default():
        model = TinyNet((8, 8, 3), 10)
        known = {"tf": v1, "self": model, "labels": tf.constant([1, 2])}
        known |= {"x": tf.zeros([2, 8, 8, 3]), "features": tf.zeros([2, 48])}
        exec(IMPORTS, known)  # noqa: S102
        with v1.variable_scope("layer"):
            exec(snippet, known)  # noqa: S102


@pytest.mark.usefixtures("without_pictures")
def test_the_lines_of_training_one_after_the_other(tmp_path):
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as sess:
        data = make_set(8, size=8, crop=8)
        known = {"tf": v1, "images": data.images, "labels": data.labels, "sess": sess}
        known |= {"model": TinyNet((7, 7, 3), 2), "folder": str(tmp_path / "a")}
        known["other_folder"] = str(tmp_path / "b")
        exec(IMPORTS, known)  # noqa: S102
        for snippet in snippets("Training, input and metrics"):
            if "predict" in snippet:
                known["images"] = known["images"][:, :7, :7]
            exec(snippet, known)  # noqa: S102
        assert known["batch_x"].shape == (4, 8, 8, 3)
        np.testing.assert_allclose(known["probabilities"].sum(axis=1), 1, rtol=1e-5)


def messages():
    section = PAGE.split("## Five errors")[1]
    return [
        line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")
    ][2:]


def two_layers_in_one_scope():
    with tf.Graph().as_default(), v1.variable_scope("conv1"):
        for _ in range(2):
            v1.get_variable("weights", [1])


def empty_session():
    with tf.Graph().as_default() as graph:
        pass
    with v1.Session(graph=graph) as sess:
        sess.run("x:0")


def placeholder_without_a_graph():
    if not tf.executing_eagerly():
        pytest.skip("eager execution is switched off")
    v1.placeholder(tf.float32)


FAULTS = (
    lambda: tf.placeholder(tf.float32),
    placeholder_without_a_graph,
    lambda: v1.contrib.layers,
    two_layers_in_one_scope,
    empty_session,
)


@pytest.mark.parametrize(("message", "fault"), list(zip(messages(), FAULTS, strict=True)))
def test_an_error_reads_as_on_the_page(message, fault):
    with pytest.raises((AttributeError, RuntimeError, ValueError), match=re.escape(message)):
        fault()
