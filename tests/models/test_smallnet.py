import tensorflow as tf

from models.nn import SmallNet


def test_the_number_of_parameters():
    with tf.Graph().as_default():
        model = SmallNet([28, 28, 1], 10)
    stem = 3 * 3 * 1 * 32 + 2 * 32
    blocks = sum(9 * a * b + 2 * b + 9 * b * b + 2 * b for a, b in ((32, 32), (32, 64), (64, 128)))
    assert model.num_parameters == stem + blocks + 128 * 10 + 10
