"""Write your own training loop: a network of the project, an optimizer of tf.train, and plain sess.run."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # fewer of TensorFlow's notes

import tensorflow.compat.v1 as tf

from datasets.digits import load_digits_splits
from learning.evaluators import AccuracyEvaluator
from models.nn import SmallNet

splits = load_digits_splits()

graph = tf.Graph()
with graph.as_default():
    model = SmallNet(splits.train.crop_shape, len(splits.class_names), image_mean=splits.train.image_mean)
    adam = tf.train.AdamOptimizer(learning_rate=0.002)
    with tf.control_dependencies(model.update_ops):  # the statistics of batch norm
        update = adam.minimize(model.loss, global_step=model.global_step)  # dropout draws by the step
    initialize = tf.global_variables_initializer()

with tf.Session(graph=graph) as sess:
    sess.run(initialize)
    for step in range(1, 61):
        images, labels = splits.train.next_batch(64)  # (64, 28, 28, 1) uint8 and (64, 10)
        _, loss = sess.run([update, model.loss], model.feed(images, labels, is_train=True))
        if step % 20 == 0:
            print(f"update {step}: loss {loss:.4f}")
    probabilities = model.predict(sess, splits.test, augment_pred=False)  # (N, 10)

print(f"test accuracy: {AccuracyEvaluator().score(splits.test.labels, probabilities):.4f}")
