"""bvlc_alexnet of the Caffe model zoo, as caffe-tensorflow converts it: `bvlc_alexnet.npy`.

The converter transposes filters to (H, W, I, O) and the weights of fully connected layers to (in, out), and sorts
the inputs of fc6 by height, width and channel, as they are here. Its earlier files hold a list of two arrays for
each layer, its later ones a dictionary of `weights` and `biases`. Images are in the order blue, green, red;
training subtracts the mean of each channel and leaves the range of 0 to 255.

A converted CaffeNet (bvlc_reference_caffenet) has the same names and shapes, so it is taken for this network. But
it pools before it normalises, and therefore gives other results here than in Caffe.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from models.weights.maps.alexnets import FIRST_LAYER, HEAD, OPTIONS, alexnet_pairs
from models.weights.naming import Pair, WeightsMap, minus_mean

if TYPE_CHECKING:
    from models.convnet import ConvNet

CAFFE = "Caffe AlexNet"
_MEAN = (122.679, 116.669, 104.007)  # red, green, blue in 0 to 255


def _pairs(model: "ConvNet", kinds: Mapping[str, str]) -> list[Pair]:
    def pair_of(layer: str, kind: str) -> Pair:
        return Pair(f"{layer}/{kind}", f"{layer}/{kinds[kind]}")

    return alexnet_pairs(model, CAFFE, pair_of)


def _is_caffe(shapes: Mapping[str, tuple[int, ...]], kinds: Mapping[str, str]) -> bool:
    weights = kinds["weights"]
    is_ours = "preprocessing/mean" in shapes
    is_grouped = shapes.get(f"conv2/{weights}", ())[2:] == (48, 256)
    return is_grouped and not is_ours and {f"conv1/{weights}", f"fc7/{weights}"} <= shapes.keys()


def _map(kinds: Mapping[str, str]) -> WeightsMap:
    return WeightsMap(
        name=CAFFE,
        recognises=partial(_is_caffe, kinds=kinds),
        pairs=partial(_pairs, kinds=kinds),
        preprocessing=minus_mean(*_MEAN, is_bgr=True),
        first_layer=FIRST_LAYER,
        head=HEAD,
        options={**OPTIONS, "local_response_norm": "caffe"},
    )


CAFFE_ALEXNET = _map({"weights": "0", "biases": "1"})
CAFFE_ALEXNET_NAMED = _map({"weights": "weights", "biases": "biases"})
