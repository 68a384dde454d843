"""The typed configuration of a run. Imports no TensorFlow, so that every option is checked before that."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

from datasets.catalogue import DATASETS
from datasets.errors import OptionError, suggestion
from datasets.options.fields import check, check_known, options_of
from datasets.storage.paths import expanded
from learning.config.options import DataConfig, ModelConfig, OptimizerConfig, ScheduleConfig, TrainConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the result of a run, besides the code and the data."""

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
        check_known(values.get("data", {}), DataConfig, "data")
        return cls.from_saved(_with_defaults_of_set(values))

    @classmethod
    def from_saved(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Build from what `as_dict` gave, perhaps in an earlier version: options that it lacks have their defaults.

        :raises OptionError: names an entry that is unknown or impossible.
        """
        check_known(values, cls)
        for section, owner in SECTIONS.items():
            check_known(values.get(section, {}), owner, section)
        return cls(
            **{key: SECTIONS[key](**part) if key in SECTIONS else part for key, part in values.items()}
        )

    def with_absolute_paths(self) -> "RunConfig":
        """Return this configuration with paths that hold from wherever the run directory is used."""
        data_dir, cache_dir = (
            None if path is None else str(expanded(path).resolve())
            for path in (self.data_dir, self.data.cache_dir)
        )
        return replace(self, data_dir=data_dir, data=replace(self.data, cache_dir=cache_dir))

    @property
    def changeable(self) -> tuple[str, ...]:
        """The options of `train` that a resume may change, because they do not decide what an epoch computes.

        The number of threads decides only the last bits, and a resume with another number says so. The cosine
        schedule depends on the length of the run, so num_epochs must stay with it. A warm-up takes at most a fifth
        of the run; where this limit shortens it, training refuses another length.
        """
        kept = ("keep_checkpoints", "save_every_steps", "select", "tensorboard", "profile", "threads")
        return kept if self.schedule.name == "cosine" else ("num_epochs", *kept)

    def flat(self) -> dict[str, Any]:
        """Return the learning options in one flat dictionary, as the post's `hp_d`."""
        options = vars(self.optimizer) | vars(self.schedule) | vars(self.train)
        return {"schedule": self.schedule.name} | {k: v for k, v in options.items() if k not in NOT_FLAT}

    def replace_flat(self, hp: Mapping[str, Any]) -> "RunConfig":
        """Return this configuration with the learning options that the post's flat `hp` holds."""
        sections = {}
        for section in ("optimizer", "schedule", "train"):
            names = options_of(SECTIONS[section]).keys() - NOT_FLAT
            changes = {key: hp[key] for key in names & hp.keys()}
            if section == "schedule" and "schedule" in hp:
                changes["name"] = hp["schedule"]
            sections[section] = replace(getattr(self, section), **changes)
        return replace(self, **sections)


# Where the images come from and where they are kept, which decides nothing that a run computes.
PLACES = ("data_dir", "data.cache_dir", "data.download")
SECTIONS: dict[str, Any] = {f.name: f.type for f in fields(RunConfig) if is_dataclass(f.type)}
NOT_FLAT = frozenset({"name", "evaluator", "threads"})  # decided by classes and objects in the post's way


def _with_defaults_of_set(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with the defaults of their data set; those of an unknown set stay as they are."""
    data = values.get("data", {})
    entry = DATASETS.get(str(data.get("name", DataConfig().name)))
    return values if entry is None else {**values, "data": {**entry.defaults, **data}}


def check_names(config: RunConfig) -> None:
    """Raise OptionError for a data set or an evaluator that does not exist, or a set that has no download."""
    from learning.evaluators import EVALUATORS  # imported late, so that --help answers at once

    name, evaluator = config.data.name, config.train.evaluator
    if name not in DATASETS:
        raise OptionError(f"unknown data.name {name!r}; {suggestion(name, DATASETS)}")
    if evaluator not in EVALUATORS:
        raise OptionError(f"unknown train.evaluator {evaluator!r}; {suggestion(evaluator, EVALUATORS)}")
    downloads = [name for name, entry in DATASETS.items() if entry.downloads]
    if config.data.download and name not in downloads:
        raise OptionError(
            f"the data set {name!r} cannot be downloaded, only {', '.join(downloads)}; leave --download out, or "
            "choose one of these with --data.name"
        )
