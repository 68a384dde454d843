"""The sections of a run's configuration: data, model, optimizer, schedule, train. Each checks its own values."""

from dataclasses import dataclass, field
from typing import Any, Literal

from datasets.options.fields import option
from datasets.options.loading import LoadOptions
from learning.config.checks import check_fraction, check_not_negative, check_positive, check_types
from models.options import check


@dataclass(frozen=True, kw_only=True)
class DataConfig(LoadOptions):
    """Which images, at what size, and how they are split."""

    section = "data"

    name: str = option(
        "folder", "the data set: folder (one folder per class), asirra, cifar10, mnist or digits"
    )
    mean: Literal["channel", "pixel"] = option(
        "channel", "what is subtracted: the mean of each channel, or of each pixel (of the centre crops)"
    )
    download: bool = option(
        False, "fetch the official files of asirra, cifar10 or mnist first, as --download does"
    )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network.

    Args:
        name: alexnet, resnet18 to resnet152, resnet20 to resnet110 (for 32x32 pixels), resnet, mini-resnet,
            smallnet, or the dotted path of your own ConvNet subclass.
        weight_decay: L2 coefficient.
        weight_decay_on: all trained variables (the AlexNet post), or only weights.
        precision: dtype of the computation; variables and loss are float32 in any case. auto takes bfloat16 where
            the processor or GPU has units for it, and the run keeps what was chosen.
        options: further options of the network, by the names of its _build_model's parameters. A recipe's
            are those of its network: with another model.name they do not count.
    """

    name: str = "smallnet"
    weight_decay: float = 0.0005
    weight_decay_on: Literal["all", "weights"] = "all"
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_types("model", self)
        check_not_negative("model", self, "weight_decay")
        named = all(isinstance(key, str) for key in self.options)
        check(named, "model.options", self.options, "a mapping of option names")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How one update is made.

    Args:
        name: of the update rule.
        init_learning_rate: where the schedule starts.
        momentum: of momentum, nesterov and rmsprop.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        rmsprop_decay: decay of RMSprop's mean square.
        epsilon: added to the denominator of Adam and RMSprop.
        clip_norm: gradients are scaled down to this global norm.
    """

    name: Literal["momentum", "nesterov", "adam", "adamw", "rmsprop"] = "momentum"
    init_learning_rate: float = 0.01
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    rmsprop_decay: float = 0.9
    epsilon: float = 1e-8
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        check_types("optimizer", self)
        check_positive("optimizer", self, "init_learning_rate", "epsilon")
        check_fraction("optimizer", self, "momentum", "beta1", "beta2", "rmsprop_decay")
        if self.clip_norm is not None:
            check_positive("optimizer", self, "clip_norm")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate moves, and when learning stops early.

    Args:
        name: of the rule by which the rate falls.
        learning_rate_patience: patience: more than so many epochs without a better score lower the rate.
        learning_rate_decay: patience, steps: the rate is multiplied by this.
        min_learning_rate: patience, cosine: the rate never falls below.
        eps: patience: a smaller change of the rate is not made.
        boundaries: steps: the updates after which the rate is lowered.
        warmup_steps: steps, cosine: updates of linear growth at the start, at most a fifth of the run.
        early_stopping_patience: stop after more than so many epochs without a better score.
    """

    name: Literal["patience", "steps", "cosine", "constant"] = "patience"
    learning_rate_patience: int = 10
    learning_rate_decay: float = 0.1
    min_learning_rate: float = 0.0
    eps: float = 1e-8
    boundaries: tuple[int, ...] = ()
    warmup_steps: int = 0
    early_stopping_patience: int | None = None

    def __post_init__(self) -> None:
        section = "schedule"
        check_types(section, self)
        check_not_negative(
            section, self, "learning_rate_patience", "min_learning_rate", "eps", "warmup_steps"
        )
        decay = self.learning_rate_decay
        check(0 < decay <= 1, f"{section}.learning_rate_decay", decay, "above 0 and at most 1")
        ascending = (
            list(self.boundaries) == sorted(set(self.boundaries)) and min(self.boundaries, default=1) > 0
        )
        check(ascending, f"{section}.boundaries", self.boundaries, "growing positive numbers of updates")
        if self.name == "steps":
            check(
                bool(self.boundaries), "schedule.boundaries", self.boundaries, "given for schedule.name steps"
            )
        if self.early_stopping_patience is not None:
            check_not_negative(section, self, "early_stopping_patience")

    def should_stop(self, epochs_since_best: int) -> bool:
        """Whether training ends early, `epochs_since_best` epochs after the best one."""
        return self.early_stopping_patience is not None and epochs_since_best > self.early_stopping_patience


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, in what batches, judged by what.

    Args:
        batch_size: images in one update.
        num_epochs: epochs of num_examples // batch_size updates.
        augment_train: train on random crops and reflections instead of centre crops.
        select: the weights that are tested in the end: those of the best epoch, or the last.
        augment_pred: score the validation set with all crops of a test (ten; five where nothing is mirrored)
            instead of the centre.
        evaluator: the score that chooses the best epoch: accuracy, error_rate, top5_accuracy, macro_f1,
            balanced_accuracy, roc_auc, log_loss.
        score_threshold: a score is better only by this relative margin.
        seed: of the split, the order, the augmentation, the initial weights and the dropout.
        threads: of TensorFlow; 0 for one per core. Results are exact for the same number only.
        save_every_steps: also save in the middle of an epoch, every so many updates.
        keep_checkpoints: how many of the newest checkpoints stay, besides the best.
        tensorboard: also write events for TensorBoard.
        profile: also write a timeline of this update, counting from 1, and a table of its costliest operations, as
            --profile does.
    """

    batch_size: int = 256
    num_epochs: int = 320
    select: Literal["best", "last"] = "best"
    augment_train: bool = True
    augment_pred: bool = True
    evaluator: str = "accuracy"
    score_threshold: float = 1e-4
    seed: int = 0
    threads: int = 0
    save_every_steps: int | None = None
    keep_checkpoints: int = 2
    tensorboard: bool = False
    profile: int | None = None

    def __post_init__(self) -> None:
        check_types("train", self)
        check_positive("train", self, "batch_size", "num_epochs", "keep_checkpoints")
        check_not_negative("train", self, "score_threshold", "seed", "threads")
        check(self.seed < 2**31, "train.seed", self.seed, "below 2147483648")
        if self.save_every_steps is not None:
            check_positive("train", self, "save_every_steps")
        if self.profile is not None:
            check_positive("train", self, "profile")
