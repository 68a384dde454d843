"""test.py in the form of the AlexNet post, with its calls at module level: test.py WAY DATA_DIR SAVE_DIR."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

if sys.argv[1] == "disable_v2_behavior":
    tf.disable_v2_behavior()

from datasets import asirra as dataset
from learning.evaluators import AccuracyEvaluator as Evaluator
from models.nn import AlexNet as ConvNet

test_dir, save_dir = sys.argv[2:]
X_test, y_test = dataset.read_asirra_subset(test_dir, one_hot=True)
test_set = dataset.DataSet(X_test, y_test, crop_size=67)

hp_d = dict()
hp_d["image_mean"] = np.load(os.path.join(save_dir, "asirra_mean.npy"))
hp_d["batch_size"] = 8
hp_d["augment_pred"] = True

graph = tf.get_default_graph()
config = tf.ConfigProto()
config.gpu_options.allow_growth = True

model = ConvNet([67, 67, 3], 2, **hp_d)
evaluator = Evaluator()
saver = tf.train.Saver()

sess = tf.Session(graph=graph, config=config)
saver.restore(sess, os.path.join(save_dir, "model.ckpt"))
test_y_pred = model.predict(sess, test_set, **hp_d)
test_score = evaluator.score(test_set.labels, test_y_pred)
print(
    json.dumps({"score": test_score, "shape": test_y_pred.shape, "mean": test_y_pred.mean(axis=0).tolist()})
)
