"""The typed configuration of a run. Imports no TensorFlow, so options are checked before TensorFlow is imported."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

from datasets.catalogue import DATASETS, check_name
from datasets.errors import OptionError, suggestion
from datasets.options.fields import check, check_known, options_of
from datasets.storage.paths import expanded
from learning.config.options import DataConfig, ModelConfig, OptimizerConfig, ScheduleConfig, TrainConfig
from models.weights.packaged import is_packaged


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the result of a run, apart from the code and the data."""

    recipe: str = "custom"
    data_dir: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        check(isinstance(self.recipe, str), "recipe", self.recipe, "text")
        check(isinstance(self.data_dir, str | None), "data_dir", self.data_dir, "a path as text")

    def as_dict(self) -> dict[str, Any]:
        """Return a plain nested dictionary, as `from_dict` reads it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Build from a nested dictionary.

        Options of the data that are not set use the defaults of the data set, such as 32 pixels for CIFAR-10, as on
        the command line. `DataConfig` alone does not know these.

        :raises OptionError: names an entry that is unknown or impossible.
        """
        check_known(values, cls)
        data = values.get("data", {})
        check_known(data, DataConfig, "data")
        entry = DATASETS.get(str(data.get("name", DataConfig().name)))
        return cls.from_saved(values if entry is None else {**values, "data": {**entry.defaults, **data}})

    @classmethod
    def from_saved(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Build from what `as_dict` returned, perhaps in an earlier version; missing options get their defaults.

        :raises OptionError: names an entry that is unknown or impossible.
        """
        check_known(values, cls)
        for section, owner in SECTIONS.items():
            check_known(values.get(section, {}), owner, section)
        return cls(**{k: SECTIONS[k](**part) if k in SECTIONS else part for k, part in values.items()})

    def with_absolute_paths(self) -> "RunConfig":
        """Return this configuration with paths that do not depend on the working directory."""
        paths = self.data_dir, self.data.cache_dir
        data_dir, cache_dir = (None if p is None else str(expanded(p).resolve()) for p in paths)
        init = self.model.init
        if init is not None and not is_packaged(init):
            init = str(expanded(init).resolve())
        model = replace(self.model, init=init)
        return replace(self, data_dir=data_dir, model=model, data=replace(self.data, cache_dir=cache_dir))

    @property
    def changeable(self) -> tuple[str, ...]:
        """The options of `train` that a resume may change, because they do not decide what an epoch computes.

        Another number of threads changes only the last bits, and a resume warns of it. With the cosine schedule,
        num_epochs cannot change, because the rates depend on it. A warm-up takes at most a fifth of the run; if
        this limit shortens it, training refuses another length.
        """
        watching = ("tensorboard", "mlflow", "profile", "threads")
        kept = ("keep_checkpoints", "save_every_steps", "select", *watching, "test_crops")
        return kept if self.schedule.name == "cosine" else ("num_epochs", *kept)

    def flat(self) -> dict[str, Any]:
        """Return the learning options as a flat dictionary like the post's `hp_d`."""
        options = vars(self.optimizer) | vars(self.schedule) | vars(self.train)
        return {"schedule": self.schedule.name} | {k: v for k, v in options.items() if k not in NOT_FLAT}

    def replace_flat(self, hp: Mapping[str, Any]) -> "RunConfig":
        """Return this configuration with the learning options of the post's flat dictionary."""
        sections = {}
        for section in ("optimizer", "schedule", "train"):
            names = options_of(SECTIONS[section]).keys() - NOT_FLAT
            changes = {key: hp[key] for key in names & hp.keys()}
            if section == "schedule" and "schedule" in hp:
                changes["name"] = hp["schedule"]
            sections[section] = replace(getattr(self, section), **changes)
        return replace(self, **sections)


# Where images come from and are kept; the results of a run do not depend on these.
PLACES = ("data_dir", "data.cache_dir", "data.store", "data.download")
SECTIONS: dict[str, Any] = {f.name: f.type for f in fields(RunConfig) if is_dataclass(f.type)}
# The post decides these by classes and objects, and by parameters of the network.
NOT_FLAT = frozenset({"name", "evaluator", "threads", "class_weights", "mlflow"})


def check_names(config: RunConfig) -> None:
    """Raise OptionError for a data set or evaluator that does not exist, or a data set without a download."""
    from learning.evaluators import EVALUATORS  # imported late, so that --help answers at once

    check_name(config.data.name, config.data.download)
    if (evaluator := config.train.evaluator) not in EVALUATORS:
        raise OptionError(f"unknown train.evaluator {evaluator!r}; {suggestion(evaluator, EVALUATORS)}")
