"""Build the configured network, or say which of its options is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import UsageError
from learning.machine.session import tf
from models.catalogue import check_options, model_class
from models.convnet import ConvNet
from models.graph.batch_share import BatchShare, put_batch_share
from models.options import accepted

# A network gets these from other options of a run, so they are not entries of model.options.
RUN_OPTIONS = {
    "weight_decay": "model.weight_decay",
    "weight_decay_on": "model.weight_decay_on",
    "label_smoothing": "model.label_smoothing",
    "class_weights": "train.class_weights",
    "precision": "model.precision",
    "image_mean": "data.mean",
    "seed": "train.seed",
    "freeze": "model.freeze",
}


def check_new_model(model: ModelConfig) -> None:
    """Check the network's class and options before a new run decodes its images.

    Runs of earlier versions may hold options that their network does not take; they are not checked.

    :raises UsageError: the class does not exist, or does not take one of the options.
    """
    try:
        network = model_class(model.name)
        for key, option in RUN_OPTIONS.items():
            if key in model.options:
                raise UsageError(f"model {model.name}: give {key} as --{option}, not in model.options")
        check_options(network, model.options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"model {model.name}: {error}") from error


def build_model(
    config: RunConfig,
    input_shape: tuple[int, ...],
    num_classes: int,
    image_mean: Any = 0.0,
    class_weights: Sequence[float] | None = None,
    share: BatchShare | None = None,
) -> ConvNet:
    """Build the configured network in its own graph.

    :param input_shape: (h, w, C).
    :param image_mean: subtracted by the network: a number, or an array of (C,) or of the input's shape.
    :param class_weights: K factors of the loss; None: all are 1.
    :param share: the part of each batch that the network computes; None: all of it.
    :raises UsageError: the network does not exist, does not take one of its options, or does not fit on the input.
    """
    model = config.model
    if model.precision == "auto":
        raise UsageError(
            "model.precision is 'auto' and was not chosen yet; see learning.machine.precision.with_precision"
        )
    options = {"weight_decay": model.weight_decay, "weight_decay_on": model.weight_decay_on, **model.options}
    options |= {"label_smoothing": model.label_smoothing} if model.label_smoothing else {}
    options |= {} if class_weights is None else {"class_weights": class_weights}
    facts = {"image_mean": image_mean, "precision": model.precision, "seed": config.train.seed}
    facts["freeze"] = model.freeze
    try:
        network = model_class(model.name)
        _check_loss(network, options)
        with tf.Graph().as_default():
            if share is not None:
                put_batch_share(share)
            return network(input_shape, num_classes, **facts, **options)
    except (TypeError, ValueError) as error:
        if "Negative dimension" in str(error.__cause__):
            size = "x".join(map(str, input_shape))
            raise UsageError(
                f"the network {model.name} does not fit on an input of {size}: a convolution or pooling leaves no "
                "pixel; raise the sizes of images and crops"
            ) from error
        raise UsageError(f"model {model.name}: {error}") from error


def _check_loss(network: type[ConvNet], options: Mapping[str, Any]) -> None:
    """Raise TypeError if the network has its own loss, which does not take an option of the run."""
    for key in ("label_smoothing", "class_weights"):
        if key in options and key not in accepted(network._build_loss, options):
            raise TypeError(
                f"its _build_loss takes no {key}; leave out --{RUN_OPTIONS[key]}, or add the parameter"
            )
