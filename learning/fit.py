"""Train from a configuration: the one call behind train.py, notebooks, searches, workers and benchmarks.

    from learning.config import RunConfig
    from learning.fit import fit

    config = RunConfig.from_dict({"data": {"name": "digits"}, "train": {"num_epochs": 3}})
    results = fit(config, "runs/digits")

Imports TensorFlow only after the configuration is checked and the directory is locked.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.splits import Splits
from datasets.storage.failures import storage_errors
from datasets.storage.paths import expanded
from learning.callbacks import Callback
from learning.class_balance import balanced_weights, class_counts, imbalance_advice
from learning.config.run_config import RunConfig, check_names
from learning.distributed.cluster import Cluster, cluster_of, resume_command
from learning.errors import Interrupted, UsageError
from learning.evaluators import EVALUATORS
from learning.extras import require_packages
from learning.runs import data as run_data
from learning.runs.directory import RunDirectory, has_begun, locked
from learning.runs.files import TRAINING_FILE
from learning.runs.seen_images import keep_digests, warn_of_seen
from models.catalogue import model_path
from models.weights.packaged import is_packaged, packaged_file

if TYPE_CHECKING:
    from learning.distributed.alone import Alone
    from learning.optimizers import Optimizer
    from learning.tracking.mlflow import MlflowTracking
    from learning.transfer.initial_weights import InitialWeights
    from models.convnet import ConvNet

logger = logging.getLogger(__name__)


def fit(
    config: RunConfig,
    run_dir: str | os.PathLike[str],
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    *,
    verbose: bool = True,
) -> dict[str, Any]:
    """Train the configured network, test the selected weights, and write the page of the run.

    If the environment names other workers (see `learning.distributed.cluster`), it trains with them; the result of
    all but the chief is empty.

    :param run_dir: the run's directory. It is created and locked; unless `resume`, it must be empty or absent.
    :param resume: continue the run in `run_dir`, with the same result as if it had not been interrupted.
    :param callbacks: watch training too: see `learning.callbacks`.
    :param verbose: show on standard output what is trained, and its progress.
    :return: what test.json holds: the scores, figures by class, calibration, confusion matrix and worst errors of
        the test set (or of the set that `split` names: the validation or training set), and the epoch whose weights
        were tested. See `learning.evaluation.evaluate.evaluate`.
    :raises UsageError: an option is unknown, does not fit the data or needs a package that is not installed, or the
        MLflow store cannot be opened or does not have the run to resume.
    :raises DataError: the images cannot be used.
    :raises CheckpointError: a file of the run is damaged, or the run cannot be resumed with this configuration.
    :raises DirectoryInUseError: another process holds the directory, or it is not empty.
    :raises WeightsError: the weights of `model.init` cannot be read, or are of another network.
    :raises StorageError: a file cannot be written, or TensorFlow cannot use a path.
    :raises ClusterError: another worker is lost, or trains something else.
    :raises Interrupted: Ctrl-C or another signal stopped it; all that was trained is saved.
    :raises Exception: what `Optimizer.train` raises.
    """
    try:
        model_path(config.model.name)
        check_names(config)
    except ValueError as error:
        raise UsageError(f"{error}") from error
    if config.train.linear_probe and config.model.init is None:
        raise UsageError(
            "train.linear_probe fits the last layer of a network that starts from weights, and there is no "
            "model.init; give one, or set --train.linear_probe false"
        )
    if config.train.tensorboard:  # checked by all workers, because those that go on would wait for the others
        without = "give --train.tensorboard false"
        require_packages("--train.tensorboard true", ["tensorboard"], "tensorboard", without)
    config = config.with_absolute_paths()
    path, cluster = expanded(os.fspath(run_dir)), cluster_of(os.environ)
    if cluster is not None and not cluster.is_chief:
        try:
            return _fit(config, path, None, callbacks, resume=resume, verbose=False, cluster=cluster)
        except KeyboardInterrupt as error:
            raise Interrupted(signal.SIGINT, "") from error  # the chief says it
    tracking = _mlflow_tracking(path if resume else None) if config.train.mlflow else None
    callbacks = callbacks if tracking is None else [*callbacks, tracking]
    run = RunDirectory(path) if resume else None
    with locked(path, resumed=resume):
        try:
            results = _fit(config, path, run, callbacks, resume=resume, verbose=verbose, cluster=cluster)
        except KeyboardInterrupt as error:
            message = "stopped before the first update: nothing was trained, so start again"
            if has_begun(path):  # while it loads or tests; the loop answers by itself
                command = resume_command(path, 1 if cluster is None else cluster.size, os.environ)
                message = f"stopped, with everything saved; continue with {command}"
            raise Interrupted(signal.SIGINT, message) from error
    if tracking is not None:
        tracking.log_results(results)
    return results


def _mlflow_tracking(resumed_dir: Path | None) -> MlflowTracking:
    from learning.tracking.mlflow import MlflowTracking  # whose library is an extra

    return MlflowTracking(resumed_dir=resumed_dir)


def _fit(
    config: RunConfig,
    path: Path,
    run: RunDirectory | None,
    callbacks: Sequence[Callback],
    *,
    resume: bool,
    verbose: bool,
    cluster: Cluster | None,
) -> dict[str, Any]:
    """Train in a directory that is locked by the chief of the cluster, or by this process if there is none.

    :param run: what the chief resumes.
    """
    if cluster is None:  # for a worker that leaves before it has joined, the others would wait
        run_data.check_images(config, run)
        init = None if has_begun(path) else config.model.init
        if init is not None and is_packaged(init):
            packaged_file(init)
    else:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what TensorFlow says of lost workers takes pages
    from learning.distributed.join import joined  # imports TensorFlow quietly
    from learning.machine.precision import with_precision
    from learning.reports.run_page import write_run_page
    from learning.runs.network import check_new_model
    from learning.tracking.page import RunPage
    from learning.training.console import ConsoleProgress
    from learning.training.record import RunRecord
    from learning.training.training_images import TrainingImages

    console, said = ConsoleProgress(verbose=verbose), list[str]()

    def say(text: str) -> None:
        if text:
            console.say(text)
            said.append(text)

    config, reason = with_precision(config)
    say(reason)
    if not resume:  # before images are decoded, which may take long
        check_new_model(config.model)
    with joined(cluster, config) as workers:
        prepared = _prepare(config, path, run, workers, say, resume=resume)
        config, splits, optimizer = prepared.config, prepared.splits, prepared.optimizer
        with workers.open_session(optimizer.model, config.train.threads) as sess:
            start = _start(sess, prepared, path, workers, say)
            if not workers.is_chief:
                optimizer.train(sess, path, resume=resume, fresh=False, verbose=False)
                return {}
            if run is None:
                info = run_data.run_info(splits, optimizer.model.input_shape)
                run = RunDirectory.create(path, config, info | start)
            keep_digests(path, splits)
            watching = [TrainingImages(splits.train), RunRecord(run, config, said), RunPage(), *callbacks]
            optimizer.train(sess, path, resume=resume, fresh=False, verbose=verbose, callbacks=watching)
            results = _tested(sess, optimizer.model, config, splits, path)
    write_run_page(path)
    return results


@dataclass(kw_only=True, eq=False)
class _Prepared:
    """What a run needs before its session is opened.

    :ivar config: with numbers in place of auto.
    :ivar initial: what a new run starts from; None once it is loaded, because it holds a whole file in memory.
    :ivar has_begun: a checkpoint has the weights.
    """

    config: RunConfig
    splits: Splits
    optimizer: Optimizer
    initial: InitialWeights | None
    has_begun: bool


def _prepare(
    config: RunConfig,
    path: Path,
    run: RunDirectory | None,
    workers: Alone,
    say: Callable[[str], None],
    *,
    resume: bool,
) -> _Prepared:
    """Read the weights to start from and the data, check that all fits together, and build the graph."""
    from learning.distributed.advice import workers_advice
    from learning.training.record import summary_lines
    from learning.training.set_size import with_set_size
    from learning.transfer.initial_weights import InitialWeights

    begun, initial = workers.from_chief(has_begun(path)), None
    if config.model.init is not None and not begun:
        initial = InitialWeights(config.model.init)
        config = initial.completed(config)
    splits = run_data.open_data(config, run)
    workers.agree("images", run_data.facts(splits))
    if initial is not None:
        warn_of_seen(config.model.init, splits)
    config, chosen = with_set_size(config, splits.train.num_examples)
    say(chosen)
    run_data.check_fits(config, splits)
    counts = class_counts(splits.train, len(splits.class_names))
    if not resume and (advice := imbalance_advice(config, counts, splits.class_names)):
        logger.warning("%s", advice)
    optimizer = build_training(config, splits, workers)
    say("\n".join(summary_lines(config, optimizer.model, splits, path, workers.size)))
    if workers.size == 1 and not resume:
        say(workers_advice(optimizer.model, config.train.batch_size))
    return _Prepared(config=config, splits=splits, optimizer=optimizer, initial=initial, has_begun=begun)


def _start(
    sess: Any, prepared: _Prepared, path: Path, workers: Alone, say: Callable[[str], None]
) -> dict[str, Any]:
    """Load the weights to start from, or compute the features of frozen layers, which depend on their values.

    Other variables get their values from `Optimizer.train`.

    :return: what run.json says about the start.
    """
    from learning.inference.trained import load_selected
    from learning.machine.session import v1
    from learning.transfer.features import train_on_features
    from learning.transfer.initial_weights import start_from

    config, splits, optimizer = prepared.config, prepared.splits, prepared.optimizer
    model = optimizer.model
    if prepared.initial is not None:
        init = start_from(sess, optimizer, prepared.initial, splits, config, say)
        prepared.initial = None
        return {"init": init}
    if model.frozen_variables:
        if prepared.has_begun and workers.is_chief:
            load_selected(sess, model, path, "last")
        else:
            sess.run(v1.variables_initializer(model.variables))
        workers.copy_variables(sess, model.variables)
        train_on_features(sess, optimizer, splits, config, say)
    return {}


def _tested(sess: Any, model: ConvNet, config: RunConfig, splits: Splits, path: Path) -> dict[str, Any]:
    """Test the selected weights on the held-out images, and score some of the training images; write both."""
    from learning.evaluation.run_test import RunTest
    from learning.evaluation.training_score import score_training, write_training_score
    from learning.inference.trained import load_selected

    train = config.train
    epoch = load_selected(sess, model, path, train.select).epoch
    results, _ = RunTest(sess, model, config, epoch).on_held_out(splits, path)
    seen = score_training(
        sess,
        model,
        splits.train,
        evaluator=train.evaluator,
        batch_size=train.batch_size,
        at_most=results["num_images"],
    )
    with storage_errors(path, f"cannot write the results in {path}", "make room"):
        write_training_score({"epoch": epoch, **seen}, path / TRAINING_FILE)
    return results


def build_training(config: RunConfig, splits: Splits, workers: Alone | None = None) -> Optimizer:
    """Build the configured network and the optimizer, whose `model` it is.

    The network subtracts the mean of the training images, per channel or pixel. The validation set chooses the best
    weights.

    :param workers: who train it together; None: this process alone.
    """
    from learning.distributed.alone import ALONE  # imports TensorFlow quietly
    from learning.optimizers import OPTIMIZERS
    from learning.runs.network import build_model

    train_set = splits.train
    mean = train_set.pixel_mean if config.data.mean == "pixel" else train_set.image_mean
    num_classes = len(splits.class_names)
    is_weighted = config.train.class_weights == "balanced"
    weights = balanced_weights(class_counts(train_set, num_classes)) if is_weighted else None
    workers = workers or ALONE
    share = workers.divide(config.train.batch_size, sync_batch_norm=config.train.sync_batch_norm)
    model = build_model(config, train_set.crop_shape, num_classes, mean, weights, share)
    evaluator = EVALUATORS[config.train.evaluator]()
    optimizer = OPTIMIZERS[config.optimizer.name]
    return optimizer(model, train_set, evaluator, splits.val, config=config, workers=workers)
