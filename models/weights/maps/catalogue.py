"""All sources whose weights can be loaded, in one literal table."""

from collections.abc import Mapping

from models.weights.errors import WeightsError
from models.weights.maps.caffe import CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED
from models.weights.maps.efficientnet import EFFICIENTNET_LITE
from models.weights.maps.keras import KERAS_APPLICATIONS_RESNET, KERAS_RESNET
from models.weights.maps.official import OFFICIAL_RESNET
from models.weights.maps.slim import SLIM_RESNET
from models.weights.maps.torchvision import TORCHVISION_ALEXNET, TORCHVISION_RESNET
from models.weights.maps.unsupported import unsupported
from models.weights.naming import WeightsMap
from models.weights.readers.limits import shown

MAPS: tuple[WeightsMap, ...] = (
    TORCHVISION_RESNET, TORCHVISION_ALEXNET, EFFICIENTNET_LITE, CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED,
    KERAS_RESNET, KERAS_APPLICATIONS_RESNET, SLIM_RESNET, OFFICIAL_RESNET,
)  # fmt: skip
NUM_SHOWN = 3  # names of tensors in the message of an error


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> WeightsMap:
    """Return the map of the source that names its tensors so.

    :param shapes: of all tensors, by the source's names.
    :raises WeightsError: no source names them so, or they are of a variant that `models` lacks.
    """
    known = ", ".join(dict.fromkeys(weights_map.name for weights_map in MAPS))
    variant = unsupported(shapes)
    if variant:
        raise WeightsError(f"weights of {variant}, which this project does not have; known are: {known}")
    for weights_map in MAPS:
        if weights_map.recognises(shapes):
            return weights_map
    first = ", ".join(f"{shown(name)} {tuple(shape)}" for name, shape in list(shapes.items())[:NUM_SHOWN])
    more = f" and {len(shapes) - NUM_SHOWN} more" if len(shapes) > NUM_SHOWN else ""
    raise WeightsError(f"weights of an unknown network: {first or 'no tensors'}{more}; known are: {known}")
