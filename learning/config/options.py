"""The sections of a run's configuration: data, model, optimizer, schedule and train."""

from dataclasses import dataclass
from typing import Any, Literal

from datasets.catalogue import DATASETS
from datasets.options import fields
from datasets.options.fields import FRACTION, NOT_NEGATIVE, POSITIVE, CheckedOptions, option
from datasets.options.loading import LoadOptions
from models.catalogue import MODELS


@dataclass(frozen=True, kw_only=True)
class DataConfig(LoadOptions):
    """Which images, at what size, and how they are split."""

    section = "data"

    name: str = option("folder", f"{', '.join(DATASETS)}; folder: one folder per class")
    mean: Literal["channel", "pixel"] = option(
        "channel", "what is subtracted: the mean of each channel, or of each pixel of the centre crops"
    )
    download: bool = option(False, "fetch and verify the official files, into --data-dir or the cache")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(CheckedOptions):
    """Which network."""

    section = "model"

    name: str = option("smallnet", f"{', '.join(MODELS)}, or the dotted path of your own ConvNet subclass")
    init: str | None = option(
        None,
        "start from these weights: a run, a file or checkpoint of another program (docs/finetuning.md lists them), "
        "or the name of a network whose package brings its weights, such as efficientnet-lite0",
        fields.NOT_EMPTY,
    )
    freeze: str | None = option(
        None,
        "what training does not change: head-only for all but the last layer, or a regular expression for the "
        "variables whose names contain a match",
    )
    weight_decay: float = option(0.0005, "L2 coefficient", NOT_NEGATIVE)
    weight_decay_on: Literal["all", "weights"] = option("all", "decay all trained variables, or only weights")
    label_smoothing: float = option(
        0.0,
        "share of each label that is spread evenly over all classes in the loss (Szegedy et al. 2016, section 7: "
        "0.1); scores are not affected",
        FRACTION,
    )
    precision: Literal["auto", "float32", "bfloat16"] = option(
        "float32",
        "dtype of the computation; variables and loss are always float32. auto chooses bfloat16 if the processor "
        "or GPU has units for it, and the run keeps the choice",
    )
    options: dict[str, Any] = option(
        {},
        "further parameters of the network's _build_model, also singly as in --model.options.width 64. They are "
        "added to the recipe's, which apply only to the recipe's own network; {} clears those",
        fields.OPTION_NAMES,
    )


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(CheckedOptions):
    """How one update is made."""

    section = "optimizer"

    name: Literal["momentum", "nesterov", "adam", "adamw", "rmsprop"] = option("momentum", "the update rule")
    init_learning_rate: float = option(0.01, "learning rate at which the schedule starts", POSITIVE)
    momentum: float = option(
        0.9, "decay of the running sum of updates", FRACTION, used_by=("momentum", "nesterov", "rmsprop")
    )
    beta1: float = option(0.9, "decay of the first moment", FRACTION, used_by=("adam", "adamw"))
    beta2: float = option(0.999, "decay of the second moment", FRACTION, used_by=("adam", "adamw"))
    rmsprop_decay: float = option(0.9, "decay of the mean square", FRACTION, used_by=("rmsprop",))
    epsilon: float = option(1e-8, "added to the denominator", POSITIVE, used_by=("adam", "adamw", "rmsprop"))
    rate_factors: dict[str, Any] = option(
        {}, "factors of the rate by regular expressions for variables; the first match counts", fields.FACTORS
    )
    clip_norm: float | None = option(None, "scale gradients down to this global norm", POSITIVE)


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(CheckedOptions):
    """How the learning rate changes, and when training stops early."""

    section = "schedule"

    name: Literal["patience", "steps", "cosine", "constant"] = option("patience", "how the rate falls")
    learning_rate_patience: int = option(
        10,
        "tolerated epochs without a better score before the rate falls",
        NOT_NEGATIVE,
        used_by=("patience",),
    )
    learning_rate_decay: float = option(
        0.1, "factor by which the rate is multiplied", fields.FACTOR, used_by=("patience", "steps")
    )
    min_learning_rate: float = option(0.0, "the smallest rate", NOT_NEGATIVE, used_by=("patience", "cosine"))
    eps: float = option(1e-8, "a smaller change of the rate is not made", NOT_NEGATIVE, used_by=("patience",))
    boundaries: tuple[int, ...] = option(
        (), "updates after which the rate is lowered", fields.ASCENDING, used_by=("steps",)
    )
    warmup_steps: int = option(
        0, "updates of linear growth, at most a fifth of the run", NOT_NEGATIVE, used_by=("steps", "cosine")
    )
    reference_batch_size: int | None = option(
        None, "init_learning_rate is for batches of this size; others scale it (Goyal et al. 2017)", POSITIVE
    )
    early_stopping_patience: int | None = option(
        None, "tolerated epochs without a better score before training stops", NOT_NEGATIVE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        has_boundaries = self.name != "steps" or bool(self.boundaries)
        self._require(has_boundaries, "boundaries", "given for schedule.name steps")

    def should_stop(self, epochs_since_best: int) -> bool:
        """Return whether training ends early, `epochs_since_best` epochs after the best one."""
        return self.early_stopping_patience is not None and epochs_since_best > self.early_stopping_patience


@dataclass(frozen=True, kw_only=True)
class TrainConfig(CheckedOptions):
    """How long training takes, in which batches, and how it is scored."""

    section = "train"

    batch_size: int = option(256, "images per update; auto: by the size of the set", POSITIVE, auto=True)
    num_epochs: int = option(
        320, "epochs of num_examples // batch_size updates; auto: by the size of the set", POSITIVE, auto=True
    )
    linear_probe: bool = option(
        False, "first fit a new last layer to the features of the loaded layers, by logistic regression"
    )
    select: Literal["best", "last"] = option("best", "test the weights of the best epoch, or of the last")
    augment_train: bool = option(True, "train on random crops and reflections instead of centre crops")
    augment_pred: bool = option(True, "score the validation set with all crops of a test")
    test_crops: Literal["all", "one"] = option("all", "test with all crops, or only with the centre crop")
    evaluator: str = option(
        "accuracy",
        "metric of an epoch: accuracy, error_rate, top5_accuracy, macro_f1, balanced_accuracy, roc_auc, log_loss",
    )
    class_weights: Literal["none", "balanced"] = option(
        "none",
        "balanced multiplies the loss of an image by N / (K n), for K classes and n of the N training images in "
        "its class; data.order balanced is another way",
    )
    score_threshold: float = option(1e-4, "relative margin by which a score must be better", NOT_NEGATIVE)
    seed: int = option(0, "seed of the split, order, augmentation, initial weights and dropout", fields.SEED)
    threads: int = option(
        0, "TensorFlow's threads, 0 for one per core; another number changes the last bits", NOT_NEGATIVE
    )
    sync_batch_norm: bool = option(
        False, "let batch norm use the statistics of whole batches if several workers divide them"
    )
    save_every_steps: int | None = option(None, "also save a checkpoint every so many updates", POSITIVE)
    keep_checkpoints: int = option(2, "newest checkpoints to keep, besides the best", POSITIVE)
    tensorboard: bool = option(False, "also write events for TensorBoard")
    mlflow: bool = option(False, "also log to MLflow, by default to mlflow.db in the working directory")
    profile: int | None = option(None, "also trace this update, from 1: its timeline and costs", POSITIVE)
