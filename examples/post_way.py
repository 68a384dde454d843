"""Train and predict in the style of the AlexNet post: a flat dictionary, an optimizer, a session, a Saver."""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # fewer of TensorFlow's notes

import tensorflow.compat.v1 as tf

from datasets.digits import load_digits_splits
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from models.nn import SmallNet

splits = load_digits_splits()  # 8x8 digits, enlarged to 32x32; batches hold random 28x28 crops
train_set, val_set, test_set = splits.train, splits.val, splits.test

hp_d = {
    "batch_size": 64,
    "num_epochs": 3,
    "init_learning_rate": 0.05,
    "momentum": 0.9,
    "augment_pred": False,  # predict the centre crop alone, which is faster
    "image_mean": train_set.image_mean,
}

graph = tf.Graph()
with graph.as_default(), tempfile.TemporaryDirectory() as save_dir:
    model = SmallNet(train_set.crop_shape, len(splits.class_names), **hp_d)
    evaluator = AccuracyEvaluator()
    optimizer = MomentumOptimizer(model, train_set, evaluator, val_set=val_set, **hp_d)
    with tf.Session(graph=graph) as sess:
        results = optimizer.train(sess, save_dir=save_dir, details=True, verbose=True, **hp_d)
        tf.train.Saver(model.variables).restore(sess, f"{save_dir}/model.ckpt")  # the best weights
        probabilities = model.predict(sess, test_set, **hp_d)  # (N, 10)

print("validation scores:", ", ".join(f"{score:.4f}" for score in results["eval_scores"]))
print(f"test accuracy: {evaluator.score(test_set.labels, probabilities):.4f}")
