"""The step of benchmarks/speed/training.py in each library."""

from collections.abc import Mapping
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import libraries
from benchmarks.harness.made import class_numbers, noise
from benchmarks.harness.sides import Step
from datasets.dataset import DataSet
from datasets.splits import Splits
from learning.config.run_config import RunConfig

LEARNING_RATE = 1e-3  # the speed does not depend on it, but the loss must stay finite
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4  # on everything that is trained
MEAN = 0.5  # of the made pixels in [0, 1], which all subtract; in Keras the net does


class Case(NamedTuple):
    """What all contestants of a measurement have in common.

    :param net: the key in `training.NETS`.
    :param network: in the project's catalogue, and in the peers'.
    """

    net: str
    network: str
    side: int
    num_classes: int
    batch_size: int
    rule: str
    options: Mapping[str, Any]
    threads: int  # of each library; 0 leaves the number to it

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, side, side, 3) uint8 and class numbers (N,) int64."""
        return noise(self.batch_size, self.side, seed=0), class_numbers(self.batch_size, self.num_classes)


def run_config(case: Case, precision: str) -> RunConfig:
    """The case as the project is told it."""
    return RunConfig.from_dict(
        {
            "model": {
                "name": case.network,
                "precision": precision,
                "weight_decay": WEIGHT_DECAY,
                "options": dict(case.options),
            },
            "optimizer": {"name": case.rule, "momentum": MOMENTUM},
        }
    )


def gflop_per_image(case: Case) -> float:
    """10^9 multiplications and additions that a training step needs for one image: forward, and twice backward."""
    return 3 * libraries.forward_gflop(case.network, case.side, case.num_classes, case.options)


def project_training(case: Case, precision: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """The project's optimizer, and a batch: images (N, side, side, 3) uint8 and one-hot labels (N, K) uint8."""
    from learning.fit import build_training

    images, classes = case.batch()
    labels = np.eye(case.num_classes, dtype=np.uint8)[classes]
    names = tuple(f"class {number}" for number in range(case.num_classes))
    splits = Splits(DataSet(images, labels, crop_size=case.side), None, None, names, "made")
    return build_training(run_config(case, precision), splits), images, labels


def project_step(case: Case, precision: str) -> Step:
    """The step of learning/training/loop.py, with the same batch again and again."""
    from learning.machine.session import open_session

    optimizer, images, labels = project_training(case, precision)
    sess = open_session(optimizer.model, case.threads)
    return libraries.project_update(optimizer, sess, repeat((images, labels)), LEARNING_RATE)


def torch_step(case: Case, precision: str, is_compiled: bool) -> Step:
    """The training loop of PyTorch's documentation."""
    torch = libraries.torch(case.threads)
    from benchmarks.peers.torch_nets import build

    net: Any = build(case.network, case.side, case.num_classes, **case.options)
    net = net.to(memory_format=torch.channels_last)  # the types of torch lack `memory_format`
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
        nesterov=case.rule == "nesterov",
        fused=True,
    )
    images, classes = map(torch.from_numpy, case.batch())

    def loss_of(images: Any, classes: Any) -> Any:
        x = images.permute(0, 3, 1, 2).float() / 255 - MEAN  # (N, 3, H, W), in memory channels_last
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(x)
        return torch.nn.functional.cross_entropy(logits.float(), classes)

    compute = torch.compile(loss_of) if is_compiled else loss_of

    def step() -> int:
        optimizer.zero_grad(set_to_none=True)
        loss = compute(images, classes)
        loss.backward()
        optimizer.step()
        loss.item()
        return case.batch_size

    return step


def keras_step(case: Case, precision: str, onednn: bool) -> Step:
    """`train_on_batch` of a compiled model."""
    libraries.tensorflow(case.threads, onednn=onednn)
    import keras

    from benchmarks.peers.keras_nets import build

    images, classes = case.batch()
    with libraries.keras_policy(precision):
        model = build(case.network, case.side, case.num_classes, **case.options)
    model.compile(
        optimizer=keras.optimizers.SGD(
            LEARNING_RATE, momentum=MOMENTUM, nesterov=case.rule == "nesterov", weight_decay=WEIGHT_DECAY
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )

    def step() -> int:
        model.train_on_batch(images, classes)
        return case.batch_size

    return step
