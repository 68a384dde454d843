import numpy as np

from benchmarks.peers import keras_digits
from learning.config.run_config import RunConfig
from learning.runs.network import build_model


def test_the_peer_of_the_start_has_the_net_of_the_recipe():
    config = RunConfig.from_dict({"model": {"name": "smallnet"}})
    side = keras_digits.CROP_SIZE
    ours = build_model(config, (side, side, 1), keras_digits.NUM_CLASSES)
    peer = keras_digits.build_model(mean=0.5)
    assert sum(int(np.prod(v.shape)) for v in peer.trainable_variables) == ours.num_parameters
