"""Say where several workers on one machine are faster than one process."""

from learning.machine.session import tf  # before any other module imports TensorFlow

# isort: split
from models.convnet import ConvNet
from models.runtime.cpu import usable_cores
from models.summary import layer_rows

# Two workers of one core are faster than one process of two with ResNet-20 on 32x32 images in batches of 128, not
# with ResNet-50, and slower with AlexNet: docs/distributed.md#speed.
MOST_PARAMETERS = 1e6  # whose sums take no time that matters
FEWEST_MULTIPLY_ADDS = 2e9  # of a batch, forward; less is over before the sums are
MOST_OF_AN_IMAGE = 2e8  # larger convolutions keep all cores busy


def workers_advice(model: ConvNet, batch_size: int) -> str:
    """Return a line that names the command that is faster than one process, or "" where that is not known.

    It is known for small convolutions in float32 on two or more cores, without a GPU.
    """
    is_small = (
        model.options["precision"] == "float32"
        and not model.frozen_variables
        and model.num_parameters <= MOST_PARAMETERS
    )
    if not is_small or usable_cores() < 2 or tf.config.list_physical_devices("GPU"):
        return ""
    of_image = sum(row.multiply_adds for row in layer_rows(model))
    if not FEWEST_MULTIPLY_ADDS / batch_size <= of_image <= MOST_OF_AN_IMAGE:
        return ""
    return "speed  two workers may be about 1.1 times as fast: python -m learning.launch --workers 2 train.py ..."
