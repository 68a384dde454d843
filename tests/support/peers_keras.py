"""The project's variables in the networks of benchmarks/peers/keras_nets.py, for the parity tests."""

KINDS = {"weights": "kernel", "biases": "bias"}


def keras_variable(model, name):
    """The peer's variable of `name`: stage1/block2/conv1/weights is `kernel` of the layer stage1_block2_conv1."""
    scope, _, variable = name.rpartition("/")
    layer_name = scope.replace("/", "_")
    layer = model.get_layer(layer_name if variable in KINDS else f"{layer_name}_norm")
    return getattr(layer, KINDS.get(variable, variable))
