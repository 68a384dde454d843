"""train.py in the form of the AlexNet post, with its calls at module level: train.py WAY DATA_DIR SAVE_DIR."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

if sys.argv[1] == "disable_v2_behavior":
    tf.disable_v2_behavior()

from datasets import asirra as dataset
from learning.evaluators import AccuracyEvaluator as Evaluator
from learning.optimizers import MomentumOptimizer as Optimizer
from models.nn import AlexNet as ConvNet

trainval_dir, save_dir = sys.argv[2:]
X_trainval, y_trainval = dataset.read_asirra_subset(trainval_dir, one_hot=True)
val_size = int(X_trainval.shape[0] * 0.25)
# The post's crops have 227 pixels; smaller ones keep this test short.
val_set = dataset.DataSet(X_trainval[:val_size], y_trainval[:val_size], crop_size=67)
train_set = dataset.DataSet(X_trainval[val_size:], y_trainval[val_size:], crop_size=67)
print(train_set.images.min(), train_set.images.max())
print((train_set.labels[:, 1] == 0).sum(), (train_set.labels[:, 1] == 1).sum())

hp_d = dict()
image_mean = train_set.images.mean(axis=(0, 1, 2))
np.save(os.path.join(save_dir, "asirra_mean.npy"), image_mean)
hp_d["image_mean"] = image_mean
hp_d["batch_size"] = 6
hp_d["num_epochs"] = 1
hp_d["augment_train"] = True
hp_d["augment_pred"] = True
hp_d["init_learning_rate"] = 0.001
hp_d["momentum"] = 0.9
hp_d["learning_rate_patience"] = 30
hp_d["learning_rate_decay"] = 0.1
hp_d["eps"] = 1e-8
hp_d["weight_decay"] = 0.0005
hp_d["dropout_prob"] = 0.5
hp_d["score_threshold"] = 1e-4

graph = tf.get_default_graph()
config = tf.ConfigProto()
config.gpu_options.allow_growth = True

model = ConvNet([67, 67, 3], 2, **hp_d)
evaluator = Evaluator()
optimizer = Optimizer(model, train_set, evaluator, val_set=val_set, **hp_d)

sess = tf.Session(graph=graph, config=config)
train_results = optimizer.train(sess, save_dir=save_dir, details=True, verbose=True, **hp_d)
print(json.dumps({name: len(values) for name, values in train_results.items()}))
