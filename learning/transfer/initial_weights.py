"""The weights that a new run starts from: read before its images, loaded when its network is built."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from learning.machine.session import v1  # before any other module imports TensorFlow

# isort: split
from datasets.splits import Splits
from datasets.storage.paths import expanded
from learning.checkpoints.saved_variables import PREFIX, path_errors
from learning.checkpoints.state import CHECKPOINTS
from learning.class_balance import is_balanced
from learning.config.run_config import RunConfig
from learning.runs.directory import RunDirectory, is_run
from learning.terminal.progress import show_progress
from learning.training.optimizer import Optimizer
from learning.transfer.features import train_on_features
from learning.transfer.linear_probe import check_head, fit_head
from models.catalogue import model_class
from models.convnet import ConvNet
from models.options import accepted
from models.weights.errors import WeightsError
from models.weights.files import Weights
from models.weights.load import LoadReport, load_tensors, map_of, read_source
from models.weights.metadata import class_names as class_names_in
from models.weights.packaged import imagenet_classes, is_packaged
from models.weights.readers.checkpoint_paths import find_prefix
from models.weights.readers.limits import shown

logger = logging.getLogger(__name__)


class InitialWeights:
    """The weights of a configuration's `model.init`.

    :ivar weights: as they were read.
    :raises WeightsError: they cannot be read, or are of an unknown network.
    :raises StorageError: TensorFlow cannot use their path.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        with path_errors():
            self.weights: Weights = read_source(source)
        self._map = map_of(self.weights)

    def completed(self, config: RunConfig) -> RunConfig:
        """Return the configuration with the options of the network that the weights were trained with.

        :raises WeightsError: the network does not have these options, or they were set to something else.
        """
        if self._map is None:
            return config
        name, options = config.model.name, config.model.options
        network = model_class(name)
        wanted = dict(self._map.options)
        unknown = wanted.keys() - accepted(network._build_model, wanted).keys()
        if unknown:
            raise WeightsError(
                f"'{self.weights.where}' holds weights of {self._map.name}, and {name} has no option "
                f"{', '.join(sorted(unknown))}; choose their network with --model.name"
            )
        model = dataclasses.replace(config.model, options={**wanted, **options})
        return dataclasses.replace(config, model=model)

    def load(
        self,
        sess: v1.Session,
        model: ConvNet,
        class_names: Sequence[str],
        say: Callable[[str], None] = logger.info,
    ) -> LoadReport:
        """Load them; a last layer for other classes stays new. See `models.weights.load.load_tensors`.

        :param say: is told if a last layer is kept whose classes are not known.
        """
        known = self._class_names()
        keep_head = known is None or tuple(known) == tuple(class_names)
        report = load_tensors(sess, model, self.weights, self._map, keep_head=keep_head)
        if known is None and not report.head:
            say(f"the last layer ({model.head}) is kept; the classes that it was trained for are not known")
        return report

    def _class_names(self) -> Sequence[str] | None:
        """Return the names of the source's classes, if it has them."""
        if is_packaged(self._source):
            return imagenet_classes()
        path = expanded(self._source)
        run = path if is_run(path) else _run_of_checkpoint(path)
        return class_names_in(path) if run is None else RunDirectory(run).class_names


def _run_of_checkpoint(path: Path) -> Path | None:
    """Return the run directory that has a checkpoint, given by its prefix, one of its files or its folder."""
    prefix = None if path.is_dir() and not (path / f"{PREFIX}.index").is_file() else find_prefix(path)
    if prefix is None or prefix.name != PREFIX:
        return None
    folders = [prefix.parent]
    if prefix.parent.parent.name == CHECKPOINTS:
        folders.append(prefix.parent.parent.parent)
    return next(filter(is_run, folders), None)


def start_from(
    sess: v1.Session,
    optimizer: Optimizer,
    initial: InitialWeights,
    splits: Splits,
    config: RunConfig,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Give every variable of a new run its first value, say what was done, and return the record for run.json.

    If only the last layer is trained, features replace the optimizer's images: see `train_on_features`.
    """
    model, train = optimizer.model, config.train
    if train.linear_probe:
        check_head(model)
    report = initial.load(sess, model, splits.class_names, say)
    say("\n".join(table(report, model)))
    facts = record(report, model)
    train_on_features(sess, optimizer, splits, config, say)
    if train.linear_probe and report.head:
        facts["linear_probe"] = fit_head(
            sess,
            model,
            splits.train if train.augment_train else optimizer.train_set,  # whose features may be known
            batch_size=train.batch_size,
            balanced=is_balanced(config),
            mirror=train.augment_train and splits.train.crops.reflect,
            progress=partial(show_progress, task="computing features"),
        )
        say(facts["linear_probe"])
    elif train.linear_probe:
        say("the last layer is not fitted, because it was loaded (train.linear_probe is for a new one)")
    return facts


def table(report: LoadReport, model: ConvNet) -> list[str]:
    """Return lines that say what happens to each part of the network, and what was left over."""
    frozen = {variable.op.name for variable in model.frozen_variables}
    trained = {variable.op.name for variable in model.trainable_variables}
    rows = [("part", "variables", "parameters", "start", "training")]
    for part, variables in _parts(model).items():
        names = [variable.op.name for variable in variables]
        states = {report.states[name] for name in names}
        kinds = [kind for kind, of in (("trained", trained), ("frozen", frozen)) if of & set(names)]
        size = sum(variable.shape.num_elements() for variable in variables)
        rows.append((part, str(len(names)), f"{size:,}", " and ".join(sorted(states)), " and ".join(kinds)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:<{widths[3]}}  {row[4]}"
        for row in rows
    ]
    head = [f"weights {report.source} ({report.form})", *(line.rstrip() for line in lines)]
    if report.head:
        head.append(report.head)
    if report.unused:
        first = ", ".join(map(shown, report.unused[:3])) + (", ..." if len(report.unused) > 3 else "")
        head.append(f"left over: {len(report.unused)} tensors that the network does not need ({first})")
    return head


def _parts(model: ConvNet) -> Mapping[str, list[Any]]:
    """Return the variables by the first part of their names, in the order of the network."""
    parts: dict[str, list[Any]] = {}
    for variable in model.variables:
        parts.setdefault(variable.op.name.partition("/")[0], []).append(variable)
    return parts


def record(report: LoadReport, model: ConvNet) -> dict[str, Any]:
    """Return a report as run.json holds it."""
    return {
        "source": report.source,
        "form": report.form,
        "loaded": sum(state == "loaded" for state in report.states.values()),
        "new": [name for name, state in report.states.items() if state == "new"],
        "frozen": [variable.op.name for variable in model.frozen_variables],
        "left_over": list(report.unused),
    }
