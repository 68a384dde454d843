"""Load published weights into a network: compare everything first, then assign, and report what was done.

    model = ResNet50((224, 224, 3), 10, padding="SYMMETRIC", bottleneck_stride="3x3")
    with tf.compat.v1.Session(graph=model.graph) as sess:
        report = load_weights(sess, model, "resnet50-11ad3fa6.pth")

The source's preprocessing is folded in exactly: its mean becomes `preprocessing/mean`, and its standard deviation
and the order of its channels go into the filters that read the image. So the network takes images as any other.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.convnet import ConvNet
from models.weights.errors import WeightsError
from models.weights.files import Weights, read_weights
from models.weights.maps.catalogue import recognise
from models.weights.naming import Pair, Preprocessing, WeightsMap, is_of_data
from models.weights.packaged import PACKAGES, is_packaged, packaged_file
from models.weights.readers.limits import shown

SCALE, MEAN = "preprocessing/scale", "preprocessing/mean"
MOST_NAMED = 5  # differences that a message names
# What a training checkpoint holds besides the network: slots of optimizers, averages of weights, counters.
TRAINING_ONLY = re.compile(
    r"(.*/)?(global_step|beta[12]_power(_\d+)?|Momentum(_\d+)?|Adam(_\d+)?|RMSProp(_\d+)?|ExponentialMovingAverage)"
    r"|training/.*|save_counter|optimizer/.*|_CHECKPOINTABLE_OBJECT_GRAPH"
)
State = Literal["loaded", "new"]


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What was loaded.

    :ivar source: the file, directory or name that was given.
    :ivar form: the name of the map, or "sessionnet" for our own names.
    :ivar states: every variable of the network by its name: "loaded", or "new" in a head of another size and
        for the weights of the classes, which are those of the new run's data.
    :ivar unused: the source's tensors that have no counterpart, and should have none.
    :ivar head: one sentence about a head that was not loaded, or "".
    """

    source: str
    form: str
    states: Mapping[str, State] = field(default_factory=dict)
    unused: Sequence[str] = ()
    head: str = ""


def load_weights(
    sess: v1.Session, model: ConvNet, source: str | os.PathLike[str], *, keep_head: bool = True
) -> LoadReport:
    """Read weights of any known form, and load them into a network.

    To train the network further, build its Optimizer before the session runs anything: TensorFlow cannot add the
    gradients of conditionals later.

    :param source: see `read_source`.
    :param keep_head: load the last layer too if its size is the network's; False gives it initial values.
    :return: what was loaded. Every variable of the network has a value afterwards.
    :raises WeightsError: the source cannot be read, or is of another network, or the network was built with options
        that give other results; the first differences are named, and no variable was changed.
    """
    return load_tensors(sess, model, read_source(source), keep_head=keep_head)


def read_source(source: str | os.PathLike[str]) -> Weights:
    """Read weights by the name of a network whose package brings them, or by path: see `read_weights`.

    :raises WeightsError: see `read_weights` and `models.weights.packaged.packaged_file`.
    """
    name = os.fspath(source)
    if is_packaged(name):
        return read_weights(packaged_file(name))._replace(where=name)
    try:
        return read_weights(name)
    except WeightsError as error:
        if os.path.exists(name) or not (
            near := difflib.get_close_matches(os.path.basename(name), PACKAGES, n=1)
        ):
            raise
        raise WeightsError(f"{error}; or did you mean {near[0]}?") from error


def load_tensors(
    sess: v1.Session,
    model: ConvNet,
    weights: Weights,
    weights_map: WeightsMap | None = None,
    *,
    keep_head: bool = True,
) -> LoadReport:
    """Load tensors that were read already; see `load_weights`.

    Variables of integers, such as a network's own counters, get initial values, because integers are not
    read from files.

    :param weights_map: how they are named; None to recognise it by the names.
    """
    tensors = weights.tensors
    if weights_map is None:
        weights_map = map_of(weights)
    variables = {v.op.name: v for v in model.variables}
    floating = [
        name
        for name, variable in variables.items()
        if variable.dtype.base_dtype.is_floating and not is_of_data(name)
    ]
    if weights_map is None:
        pairs, head, ignored = [Pair(name, name) for name in floating], model.head, "(?!)"
        form = "sessionnet"
    else:
        check_options(model, weights_map, weights.where)
        pairs, head, ignored = list(weights_map.pairs(model)), weights_map.head, weights_map.ignored
        form = weights_map.name
    values, differences = _matched(tensors, pairs, variables)
    of_head = {name for name in variables if is_within(name, head)}
    is_other_head = not keep_head or any(name in of_head for name in differences)
    problems = [text for name, text in differences.items() if name not in of_head]
    problems += _left_over(tensors, pairs, ignored)
    covered = {pair.ours for pair in pairs} | ({SCALE, MEAN} if weights_map else set())
    problems += [
        f"{name} of the network has no counterpart there" for name in floating if name not in covered
    ]
    if problems:
        member = (
            weights_map.member({name: value.shape for name, value in tensors.items()}) if weights_map else ""
        )
        raise WeightsError(_mismatch(weights.where, form + member, model, problems))
    if is_other_head:
        values = {name: value for name, value in values.items() if name not in of_head}
    if weights_map is not None:
        _fold_preprocessing(values, variables, weights_map)
    assign(sess, variables, values)
    return LoadReport(
        source=weights.where,
        form=form,
        states={name: "loaded" if name in values else "new" for name in variables},
        unused=[name for name in tensors if name not in {pair.theirs for pair in pairs}],
        head=_head_sentence(tensors, pairs, of_head, model) if is_other_head else "",
    )


def check_options(model: ConvNet, weights_map: WeightsMap, where: str) -> None:
    """Raise WeightsError for options with which the network would compute other results with these weights."""
    wrong = other_options(model, weights_map)
    if wrong:
        raise WeightsError(
            f"'{where}' holds weights of {weights_map.name}, which {type(model).__name__} can use only with other "
            f"options: {'; '.join(wrong)}"
        )


def other_options(model: ConvNet, weights_map: WeightsMap) -> list[str]:
    """Return the options in which a network differs from a map's network, with both values."""
    return [
        f"{name} is {model.options[name]!r}, must be {value!r}"
        for name, value in weights_map.options.items()
        if name in model.options and _as_list(model.options[name]) != _as_list(value)
    ]


def _as_list(value: object) -> object:
    """Return a tuple, such as the widths of a network, as the list that a recipe has."""
    return list(value) if isinstance(value, tuple) else value


def map_of(weights: Weights) -> WeightsMap | None:
    """Return the map of a source by the names of its tensors; None for those of this project's own networks.

    :raises WeightsError: no known source has these names.
    """
    if SCALE in weights.tensors:
        return None
    try:
        return recognise({name: tensor.shape for name, tensor in weights.tensors.items()})
    except WeightsError as error:
        raise WeightsError(f"'{weights.where}' holds {error}") from error


def is_within(name: str, scope: str) -> bool:
    """Return whether a variable's name lies in a variable scope."""
    return name.startswith(f"{scope}/")


def _matched(
    tensors: Mapping[str, np.ndarray], pairs: Sequence[Pair], variables: Mapping[str, tf.Variable]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the values by our names, and what differs, by our names."""
    values, differences = dict[str, np.ndarray](), dict[str, str]()
    for ours, theirs, layout in pairs:
        shape = tuple(variables[ours].shape.as_list())
        if theirs not in tensors:
            differences[ours] = f"{theirs} is missing there (our {ours})"
            continue
        try:
            value = layout.to_ours(tensors[theirs])
        except (ValueError, IndexError):  # another number of axes
            differences[ours] = (
                f"{theirs} is {list(tensors[theirs].shape)} there, for our {ours} {list(shape)}"
            )
            continue
        if value.shape != shape:
            differences[ours] = f"{theirs} is {list(value.shape)} there, our {ours} {list(shape)}"
            continue
        values[ours] = np.array(value, variables[ours].dtype.base_dtype.as_numpy_dtype)
    return values, differences


def _left_over(tensors: Mapping[str, np.ndarray], pairs: Sequence[Pair], ignored: str) -> list[str]:
    """Describe the source's tensors that the network has no variable for, but should have."""
    used, pattern = {pair.theirs for pair in pairs}, re.compile(ignored)
    return [
        f"{shown(name)} {list(tensor.shape)} there has no counterpart in the network"
        for name, tensor in tensors.items()
        if name not in used
        and not (is_of_data(name) or pattern.fullmatch(name) or TRAINING_ONLY.fullmatch(name))
    ]


def _mismatch(where: str, form: str, model: ConvNet, problems: Sequence[str]) -> str:
    named = "; ".join(problems[:MOST_NAMED])
    more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
    return (
        f"'{where}' ({form}) does not hold the weights of {type(model).__name__} as it was built: {named}{more}; "
        "choose the network and the options that the weights were trained with"
    )


def _head_sentence(
    tensors: Mapping[str, np.ndarray], pairs: Sequence[Pair], of_head: set[str], model: ConvNet
) -> str:
    theirs = [tensors[pair.theirs] for pair in pairs if pair.ours in of_head and pair.theirs in tensors]
    sizes = [tensor.size for tensor in theirs if tensor.ndim == 1]  # of the biases
    there = f"{sizes[0]} classes there, " if sizes else ""
    return f"the last layer ({model.head}) is new: {there}{model.num_classes} here"


def _fold_preprocessing(
    values: dict[str, np.ndarray], variables: Mapping[str, tf.Variable], weights_map: WeightsMap
) -> None:
    """Put the source's preprocessing into our mean and the filters that read the image."""
    mean, filters = folded(weights_map.preprocessing, values[weights_map.first_layer])
    values[weights_map.first_layer] = filters
    values[SCALE] = np.float32(1.0 / 255.0)
    values[MEAN] = np.broadcast_to(mean, variables[MEAN].shape.as_list())


def folded(preprocessing: Preprocessing, filters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (C,) in [0, 1], and filters that take X - mean, with X in [0, 1] in the order RGB.

    :param filters: (fh, fw, C, oc) that take (X - mean) / std in the source's order of channels.
    :raises WeightsError: the filters have another number of channels than the source's images.
    """
    channels, expected = filters.shape[2], len(preprocessing.mean)
    if channels != expected:
        raise WeightsError(
            f"the weights take {expected} channels, the network {channels}; set data.channels to {expected}"
        )
    ordered = filters[:, :, ::-1] if preprocessing.is_bgr else filters
    std = np.asarray(preprocessing.std, np.float64)[:, np.newaxis]
    return np.array(preprocessing.mean, np.float32), (ordered / std).astype(np.float32)


def assign(sess: v1.Session, variables: Mapping[str, tf.Variable], values: Mapping[str, np.ndarray]) -> None:
    """Give the variables their values, and initial ones to the rest; adds nothing to the graph."""
    waiting = dict(variables)
    while waiting:  # variables that share an initial value are assigned one after the other
        feed, initializers = dict[Any, Any](), list[tf.Operation]()
        for name, variable in list(waiting.items()):
            initial = variable.initializer.inputs[1]
            if initial.ref() in feed:
                continue
            feed[initial.ref()] = values.get(name)
            initializers.append(waiting.pop(name).initializer)
        sess.run(initializers, {key.deref(): value for key, value in feed.items() if value is not None})
