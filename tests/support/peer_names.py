"""Names and weights of the project in the networks of benchmarks/peers, for the parity tests."""

import re

KERAS_KINDS = {"weights": "kernel", "biases": "bias"}


def keras_variable(model, name):
    """The peer's variable of `name`: stage1/block2/conv1/weights is `kernel` of the layer stage1_block2_conv1."""
    scope, _, variable = name.rpartition("/")
    layer_name = scope.replace("/", "_")
    layer = model.get_layer(layer_name if variable in KERAS_KINDS else f"{layer_name}_norm")
    return getattr(layer, KERAS_KINDS.get(variable, variable))


TORCH_KINDS = {
    "weights": "weight",
    "biases": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def torch_name(name):
    """Where the variable `name` (stage1/block2/conv3/gamma) is in the peers: layer1.1.bn3.weight."""
    scope, _, variable = name.rpartition("/")
    is_norm = variable not in ("weights", "biases")
    scope = re.sub(r"^stem$", "conv1", scope)
    scope = re.sub(r"^stage(\d+)/block(\d+)/", lambda m: f"layer{m[1]}.{int(m[2]) - 1}.", scope)
    if scope.endswith("shortcut"):
        scope = scope.removesuffix("shortcut") + f"downsample.{int(is_norm)}"
    elif is_norm:
        scope = re.sub(r"conv(\d)$", r"bn\1", scope)
    return f"{scope}.{TORCH_KINDS[variable]}"


def to_torch(value, chw=None):
    """(fh, fw, ic, oc) -> (oc, ic, fh, fw) and (D, out) -> (out, D).

    :param chw: (C, H, W) where the D inputs are a flattened image: TensorFlow flattens (H, W, C), torch (C, H, W).
    """
    import torch

    if value.ndim == 4:
        value = value.transpose(3, 2, 0, 1)
    elif value.ndim == 2 and chw is not None:
        channels, height, width = chw
        value = value.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(value.shape[1], -1)
    elif value.ndim == 2:
        value = value.T
    return torch.tensor(value.copy())
