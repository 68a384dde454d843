"""The typed configuration of a run. Imports no TensorFlow: every argument is checked before that."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datasets.catalogue import DATASETS
from learning.config.options import DataConfig, ModelConfig, OptimizerConfig, ScheduleConfig, TrainConfig
from models.options import check, suggestion

__all__ = [
    "DataConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "ScheduleConfig",
    "TrainConfig",
    "check_keys",
    "check_names",
]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the result of a run, beside the code and the data."""

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
        """Plain nested dictionary, as `from_dict` reads it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Build from a nested dictionary; an unknown or impossible entry is a ValueError that names it.

        Options of the data that are not set use the defaults of the data set, 32 pixels for CIFAR-10, as on the
        command line. `DataConfig` alone does not know these.
        """
        check_keys(values)
        return cls.from_saved(_with_defaults_of_set(values))

    @classmethod
    def from_saved(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Build from what `as_dict` gave, perhaps in an earlier version: what is not in it has the class's default.

        :raises ValueError: an unknown or impossible entry, which it names.
        """
        check_keys(values)
        sections = {}
        for key, value in values.items():
            if key in SECTIONS:
                value = SECTIONS[key](**value)
            sections[key] = value
        return cls(**sections)

    @property
    def changeable(self) -> tuple[str, ...]:
        """The options of `train` that a resume may change, because they do not decide what an epoch computes.

        The number of threads decides only its last bits, and a resume with another one says so. The cosine
        schedule depends on the length of the run, so with it num_epochs does. A warm-up is at most a fifth of the
        run: where that cuts it, training refuses another length.
        """
        kept = ("keep_checkpoints", "save_every_steps", "select", "tensorboard", "profile", "threads")
        return kept if self.schedule.name == "cosine" else ("num_epochs", *kept)

    def flat(self) -> dict[str, Any]:
        """The learning options in one flat dictionary, as the post's `hp_d`."""
        parts: list[Any] = [self.optimizer, self.schedule, self.train]
        options = {
            f.name: getattr(part, f.name)
            for part in parts
            for f in dataclasses.fields(part)
            if f.name not in NOT_FLAT
        }
        return {"schedule": self.schedule.name, **options}

    def replace_flat(self, hp: Mapping[str, Any]) -> "RunConfig":
        """This configuration with those learning options changed that the post's flat `hp` holds.

        Entries of other parts are passed over.
        """
        sections = {}
        for section in ("optimizer", "schedule", "train"):
            names = {f.name for f in dataclasses.fields(SECTIONS[section])} - NOT_FLAT
            changes = {key: hp[key] for key in names & hp.keys()}
            if section == "schedule" and "schedule" in hp:
                changes["name"] = hp["schedule"]
            sections[section] = dataclasses.replace(getattr(self, section), **changes)
        return dataclasses.replace(self, **sections)


# Where the images come from and lie, which decides nothing that a run computes.
PLACES = ("data_dir", "data.cache_dir", "data.download")
SECTIONS: dict[str, Any] = {
    "data": DataConfig,
    "model": ModelConfig,
    "optimizer": OptimizerConfig,
    "schedule": ScheduleConfig,
    "train": TrainConfig,
}
NOT_FLAT = frozenset({"name", "evaluator", "threads"})  # decided by classes and objects in the post's way


def check_keys(values: Any) -> None:
    """ValueError with a suggestion for a name that RunConfig, or a section of it, does not have."""
    _check_keys(values, RunConfig, "")
    for key, section in SECTIONS.items():
        _check_keys(values.get(key, {}), section, f"{key}.")


def _with_defaults_of_set(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with the defaults of their data set; those of an unknown set stay as they are."""
    data = values.get("data", {})
    name = data.get("name", DataConfig().name)
    if not isinstance(name, str) or name not in DATASETS:
        return values
    return {**values, "data": {**DATASETS[name].defaults, **data}}


def check_names(config: RunConfig) -> None:
    """ValueError with a suggestion for a data set or an evaluator that does not exist."""
    from learning.evaluators import EVALUATORS  # imported late: --help has to answer at once

    for option, name, known in (
        ("data.name", config.data.name, DATASETS),
        ("train.evaluator", config.train.evaluator, EVALUATORS),
    ):
        if name not in known:
            raise ValueError(f"unknown {option} {name!r}; {suggestion(name, known)}")


def _check_keys(values: Any, owner: Any, prefix: str) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{prefix or 'the configuration'} holds {values!r}; it must be a mapping of options")
    known = {f.name for f in dataclasses.fields(owner)}
    for key in values:
        if key not in known:
            raise ValueError(f"unknown option {prefix}{key}; {suggestion(str(key), known)}")
