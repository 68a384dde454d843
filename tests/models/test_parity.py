"""The networks against the same networks in PyTorch and Keras: logits, and one training step.

Weights, biases, gamma, beta and moving statistics are drawn at random and copied to the peer. How far two tensors
differ is the largest absolute difference over the largest absolute value of the peer's tensor. A shift that the
next normalisation takes away has a gradient of zero but for rounding; so the gradients of a layer's biases, gamma
and beta are measured against the largest value among the three.

The gradient of a ReLU jumps at zero: of the millions of values in front of ResNet-50's, a few are so close to it
that rounding decides, which changes gradients by some hundredths. For the training step the betas therefore keep
the values away from zero: half of the channels inside a branch are on, half are off, and the sums are on.

The moving variance takes the batch's variance with n / (n - 1) (Bessel's correction) in TensorFlow's fused kernel
and in PyTorch. Keras 3 takes it without; the CIFAR post's Keras 2 used the fused kernel. The tests correct for it.
"""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.nn import AlexNet, ResNet18, ResNet20, ResNet50
from tests.support import peer_names

CLASSES = 7
IN_EVALUATION, IN_TRAINING = 1e-4, 1e-3  # the largest difference allowed

TORCHVISION = {"padding": "SYMMETRIC"}
# Two blocks and one show all that a whole depth would, and half the channels all that whole widths would; from the
# third stage on these are still so many that gradients of filters are products (models/graph/filter_gradients.py).
SHORT = {"stages": (2, 2, 1, 1), "widths": (32, 64, 128, 256)}
POST_RESNET = {
    "padding": "SYMMETRIC",
    "bottleneck_stride": "1x1",
    "conv_biases": True,
    "shortcut": "B-no-norm",
}
POST_CIFAR = {
    "shortcut": "B",
    "first_stage_stride": 2,
    "conv_biases": True,
    "batch_norm_momentum": 0.99,
    "batch_norm_epsilon": 1e-3,
}


class Ours:
    """A network of this project with random values, and what it computes."""

    def __init__(self, model, batch, session):
        self.model, self.sess = model, session(model)
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (batch, *model.input_shape), np.uint8)
        self.labels = rng.integers(0, CLASSES, batch)
        with model.graph.as_default():
            self.gradients = {
                v.op.name: gradient
                for v, gradient in zip(
                    model.trainable_variables,
                    tf.gradients(model.loss, model.trainable_variables),
                    strict=True,
                )
            }
            self.sess.run(v1.global_variables_initializer())
        self.variables = {v.op.name: v for v in model.variables if not v.op.name.startswith("preprocessing/")}
        self.moving = {name: v for name, v in self.variables.items() if "/moving_" in name}
        self.inputs = self.images.astype(np.float64) / 255 - 0.5

    def draw(self, away_from_zero):
        """Give every variable a random value; return them by name."""
        rng = np.random.default_rng(1)
        shapes = {name: v.shape.as_list() for name, v in self.variables.items()}
        values = {name: random_value(name, shape, rng) for name, shape in shapes.items()}
        if away_from_zero:
            values |= {name: far_value(name, shapes, rng) for name in shapes if name.endswith("/beta")}
            for name in shapes:
                if name.endswith("shortcut/weights"):
                    values[name] *= np.float32(
                        0.01
                    )  # what no normalisation follows must not outweigh the betas
        feed = {v.initializer.inputs[1]: values[name] for name, v in self.variables.items()}
        self.sess.run([v.initializer for v in self.variables.values()], feed)
        return values

    def evaluate(self):
        return self.sess.run([self.model.logits, self.model.pred], self.model.feed(self.images))

    def train(self):
        """Return loss, gradients and moving statistics of one step."""
        feed = self.model.feed(self.images, self.labels, is_train=True)
        loss, gradients, _ = self.sess.run([self.model.loss, self.gradients, self.model.update_ops], feed)
        return loss, gradients, self.sess.run(self.moving)


def random_value(name, shape, rng):
    if name.endswith("weights"):
        value = rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape) * (0.05 if name == "fc/weights" else 1)
    elif name.endswith(("gamma", "moving_variance")):
        value = rng.uniform(0.5, 1.0, shape)
    else:
        value = rng.normal(0, 0.1, shape)
    return value.astype(np.float32)


def far_value(name, shapes, rng):
    """Return betas of at least four gammas: of either sign inside a branch, positive at its end."""
    block, _, layer = name.removesuffix("/beta").rpartition("/")
    ends = layer == "shortcut" or (block and f"{block}/conv{int(layer[-1]) + 1}/beta" not in shapes)
    sign = 1 if ends else rng.choice([-1, 1], shapes[name])
    return (sign * rng.uniform(4, 6, shapes[name])).astype(np.float32)


def build(net, side, batch, session, **options):
    with tf.Graph().as_default():
        model = net((side, side, 3), CLASSES, image_mean=0.5, **options)
    return Ours(model, batch, session)


def difference(ours, theirs, scale=None):
    """Return the measure of this module; `scale` replaces the peer's largest value where that is only rounding."""
    scale = np.abs(theirs).max() if scale is None else scale
    return np.abs(np.asarray(ours, np.float64) - theirs).max() / scale


def gradient_differences(ours, theirs):
    """Return differences by variable; those of vectors on the scale of the layer's largest vector gradient."""
    differences = {}
    for name, gradient in theirs.items():
        scope, _, kind = name.rpartition("/")
        kinds = {"weights"} if kind == "weights" else {"biases", "gamma", "beta"}
        peers = [theirs[f"{scope}/{other}"] for other in kinds if f"{scope}/{other}" in theirs]
        differences[name] = difference(ours[name], gradient, max(np.abs(peer).max() for peer in peers))
    return differences


def check(**differences):
    """Assert that every difference, a number or one per variable, is within its limit."""
    for part, found in differences.items():
        limit = IN_EVALUATION if part == "logits" else IN_TRAINING
        worst = max(found.items(), key=lambda item: item[1]) if isinstance(found, dict) else ("", found)
        print(f"{part}: {worst[1]:.1e} {worst[0]}")
        assert worst[1] <= limit, f"{part} differ by {worst[1]:.1e} {worst[0]}"


def torch_resnet(block, stages, widths=(64, 128, 256, 512), **options):
    def peer(nets):
        return nets.ResNet(getattr(nets, block), stages, widths, CLASSES, **options)

    return peer


@pytest.mark.parametrize(
    ("net", "side", "batch", "options", "make_peer"),
    [
        pytest.param(
            ResNet50,
            64,
            4,
            TORCHVISION,
            torch_resnet("bottleneck", (3, 4, 6, 3)),
            id="resnet50-whole",
            marks=pytest.mark.long,
        ),
        pytest.param(
            ResNet50,
            64,
            4,
            TORCHVISION | SHORT,
            torch_resnet("bottleneck", **SHORT),
            id="resnet50-torchvision",
        ),
        pytest.param(
            ResNet50,
            64,
            4,
            POST_RESNET | SHORT,
            torch_resnet("post_bottleneck", **SHORT, stem_bias=True),
            id="resnet-post",
        ),
        pytest.param(
            ResNet18, 64, 4, TORCHVISION | SHORT, torch_resnet("basic_block", **SHORT), id="resnet18"
        ),
        pytest.param(
            ResNet20,
            32,
            4,
            TORCHVISION,
            lambda nets: nets.build("resnet20", 32, CLASSES),
            id="resnet20-whole",
            marks=pytest.mark.long,
        ),
        pytest.param(
            ResNet20,
            32,
            4,
            TORCHVISION | {"stages": (2, 1, 1)},
            lambda nets: nets.build("resnet20", 32, CLASSES, stages=(2, 1, 1)),
            id="resnet20-option-a",
        ),
        pytest.param(
            AlexNet,
            99,  # the least side whose last pool is more than one pixel, so that the order in fc6 matters
            4,
            {"local_response_norm": True},
            lambda nets: nets.build("alexnet", 99, CLASSES, local_response_norm=True),
            id="alexnet",
        ),
    ],
)
def test_pytorch(net, side, batch, options, make_peer, session, one_torch_thread):
    torch = pytest.importorskip("torch")
    from benchmarks.peers import torch_nets

    ours = build(net, side, batch, session, weight_decay=1e-4, **options)
    peer = make_peer(torch_nets)

    def converted(name, value):
        return peer_names.to_torch(value, (256, 2, 2) if name == "fc6/weights" else None)

    def load(values):
        state = {peer_names.torch_name(name): converted(name, value) for name, value in values.items()}
        counts = {name: value for name, value in peer.state_dict().items() if "num_batches" in name}
        peer.load_state_dict({**state, **counts}, strict=True)

    x = torch.tensor(ours.inputs.transpose(0, 3, 1, 2), dtype=torch.float32).contiguous()
    load(ours.draw(away_from_zero=False))
    peer.eval()
    with torch.no_grad():
        their_logits = peer(x).numpy()
    our_logits, _ = ours.evaluate()

    load(ours.draw(away_from_zero=True))
    peer.train()
    loss = torch.nn.functional.cross_entropy(peer(x), torch.tensor(ours.labels))
    loss = loss + 1e-4 / 2 * sum((p**2).sum() for p in peer.parameters())
    loss.backward()
    parameters = dict(peer.named_parameters())
    our_loss, our_gradients, our_moving = ours.train()
    buffers = dict(peer.named_buffers())
    check(
        logits=difference(our_logits, their_logits),
        loss=difference(our_loss, loss.item()),
        gradients=gradient_differences(
            {name: converted(name, gradient).numpy() for name, gradient in our_gradients.items()},
            {name: parameters[peer_names.torch_name(name)].grad.numpy() for name in our_gradients},
        ),
        moving_statistics={
            name: difference(value, buffers[peer_names.torch_name(name)].numpy())
            for name, value in our_moving.items()
        }
        or 0.0,
    )


def test_keras_resnet20_of_the_cifar_post(session):
    import keras

    from benchmarks.peers import keras_nets

    # l2(0.0001) is 0.0001 * sum(w ** 2); here the sum is halved, and biases and norms have no decay in Keras
    ours = build(ResNet20, 32, 4, session, weight_decay=0.0002, weight_decay_on="weights", **POST_CIFAR)
    peer = keras_nets.cifar_post_resnet20(CLASSES)
    variables = {name: peer_names.keras_variable(peer, name) for name in ours.variables}

    def load(values):
        for name, value in values.items():
            variables[name].assign(value)
        return values

    assert sum(v.shape.num_elements() for v in ours.model.trainable_variables) == sum(
        int(np.prod(v.shape)) for v in peer.trainable_variables
    )
    x = ours.inputs.astype(np.float32)

    load(ours.draw(away_from_zero=False))
    our_logits, our_pred = ours.evaluate()
    their_pred = peer(x, training=False).numpy()
    their_logits = np.log(their_pred) - np.log(their_pred).mean(axis=1, keepdims=True)  # up to a constant

    values = load(ours.draw(away_from_zero=True))
    with tf.GradientTape() as tape:
        entropy = keras.losses.sparse_categorical_crossentropy(ours.labels, peer(x, training=True))
        loss = tf.reduce_mean(entropy) + sum(peer.losses)
    our_loss, our_gradients, our_moving = ours.train()
    gradients = tape.gradient(loss, [variables[name].value for name in our_gradients])

    moving = {}
    for name in our_moving:
        theirs = variables[name].numpy()
        if name.endswith("moving_variance"):
            number = values_in_the_batch(ours, name)
            old = 0.99 * values[name]
            theirs = old + (theirs - old) * number / (number - 1)
        moving[name] = difference(our_moving[name], theirs)
    check(
        logits=difference(our_logits - our_logits.mean(axis=1, keepdims=True), their_logits),
        loss=difference(our_loss, loss.numpy()),
        gradients=gradient_differences(
            our_gradients, {n: g.numpy() for n, g in zip(our_gradients, gradients, strict=True)}
        ),
        moving_statistics=moving,
    )
    np.testing.assert_allclose(our_pred, their_pred, atol=IN_EVALUATION)


def values_in_the_batch(ours, name):
    """Return the number of values in a channel's statistics: N * H * W after the stem and each stage."""
    stage = name.split("/")[0]
    side = {"stem": 32, "stage1": 16, "stage2": 8, "stage3": 4}[stage]
    return len(ours.images) * side * side


@pytest.mark.parametrize("library", ["tensorflow", "torch"])
def test_the_moving_variance_is_that_of_a_sample(library):
    """For the values 1 and 3, the variance is 1 for normalising and 2 in the moving statistics."""
    if library == "torch":
        torch = pytest.importorskip("torch")
        norm = torch.nn.BatchNorm2d(1, momentum=1.0)
        norm(torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1))
        remembered = norm.running_var.numpy()
    else:
        with tf.Graph().as_default(), v1.Session() as sess:
            x = tf.constant([1.0, 3.0], shape=(2, 1, 1, 1))
            remembered = sess.run(v1.nn.fused_batch_norm(x, [1.0], [0.0], is_training=True)[2])
    np.testing.assert_allclose(remembered, [2.0], rtol=1e-6)
