"""Write a SavedModel: for TensorFlow Serving, and for every program with TensorFlow."""

from pathlib import Path

from learning.machine.session import tf, v1  # before any other module imports TensorFlow

# isort: split
from learning.export.contents import Contents
from learning.export.formats.encoded_images import decoded_images
from learning.export.inference_graph import IMAGES, PROBABILITIES
from learning.export.quiet import without_notes
from models.runtime.tensorflow_paths import plain_folder

ENCODED, CLASSES, CLASS_NAMES = "encoded", "classes", "class_names"


def write(contents: Contents, folder: Path) -> None:
    """Write saved_model.pb in `folder`, with two signatures.

    `serving_default` takes `images`, uint8 (N, H, W, C); `encoded` takes `encoded`, string (N,), the bytes of files
    that are decoded and resized in the graph. Both give `probabilities`, float32 (N, K), and `classes`, string
    (N,), the most probable ones. The constant `class_names`, string (K,), has all classes.
    """
    with tf.Graph().as_default() as graph, without_notes():
        files = v1.placeholder(tf.string, [None], name=ENCODED)
        height, width, channels = contents.image_shape
        decoded = decoded_images(files, height, width, channels, contents.resize)
        # The two signatures share one network: whoever feeds images decodes no files.
        images = v1.placeholder_with_default(decoded, [None, *contents.image_shape], name=IMAGES)
        (inferred,) = tf.import_graph_def(
            contents.graph, {f"{IMAGES}:0": images}, [f"{PROBABILITIES}:0"], name="inference"
        )
        probabilities = tf.identity(inferred, name=PROBABILITIES)
        names = tf.constant(contents.class_names, tf.string, name=CLASS_NAMES)
        classes = tf.gather(names, tf.argmax(probabilities, axis=1), name=CLASSES)
        outputs = {PROBABILITIES: probabilities, CLASSES: classes}
        signatures = {
            tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: {IMAGES: images},
            ENCODED: {ENCODED: files},
        }
        with plain_folder(folder) as path, v1.Session(graph=graph) as sess:
            builder = v1.saved_model.Builder(path)
            builder.add_meta_graph_and_variables(
                sess,
                [tf.saved_model.SERVING],
                {
                    name: v1.saved_model.predict_signature_def(inputs, outputs)
                    for name, inputs in signatures.items()
                },
            )
            builder.save()
