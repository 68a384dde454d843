"""Make the first training step on scikit-learn's digits as a Keras user writes it, for the benchmark `start`.

The network is that of models/smallnet.py; images, batch size and update rule are those of configs/digits.yaml.
Nothing of the project is imported, because that would count as Keras' time.
"""

import sys
from typing import Any

MARK = "first step done"
BATCH_SIZE, SIZE, CROP_SIZE, NUM_CLASSES, WIDTH = 64, 32, 28, 10, 32


def build_model(mean: float) -> Any:
    """Return the compiled network; it crops images (N, 32, 32, 1) in [0, 1] and subtracts the mean."""
    import keras
    from keras import layers

    def convolution(x: Any, filters: int) -> Any:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))

    inputs = keras.Input((SIZE, SIZE, 1))
    x = layers.RandomCrop(CROP_SIZE, CROP_SIZE)(inputs)
    x = convolution(layers.Rescaling(1.0, offset=-mean)(x), WIDTH)
    for block in range(3):
        x = convolution(layers.MaxPooling2D(2, 2, padding="same")(x), WIDTH * 2**block)
        x = layers.add([x, convolution(x, WIDTH * 2**block)])
    outputs = layers.Dense(NUM_CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.0005)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    return model


def main(threads: int) -> None:
    """Load the images, build the network, make a step, and print `MARK`; 0 threads for Keras' default."""
    import keras
    import numpy as np
    import tensorflow as tf
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    digits = load_digits()
    images = digits.images[..., np.newaxis].astype(np.float32) / 16
    images, _, classes, _ = train_test_split(images, digits.target, test_size=0.36, stratify=digits.target)
    images = keras.ops.image.resize(images, (SIZE, SIZE))
    build_model(float(np.mean(images))).train_on_batch(images[:BATCH_SIZE], classes[:BATCH_SIZE])
    print(MARK, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
