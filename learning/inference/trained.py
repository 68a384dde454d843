"""Load a trained network: the selected weights of a run, in a session."""

import logging
from pathlib import Path

from learning.machine.session import open_session, v1  # before any other module imports TensorFlow

# isort: split
import numpy as np

from learning.checkpoints.saved_variables import restore
from learning.checkpoints.store import CheckpointStore, Usable
from learning.errors import CheckpointError
from learning.machine.precision import for_prediction
from learning.runs.directory import RunDirectory
from learning.runs.network import build_model
from learning.runs.packaged_run import PackagedRun
from models.convnet import ConvNet
from models.weights.load import load_weights

logger = logging.getLogger(__name__)


def load_selected(sess: v1.Session, model: ConvNet, run_path: Path, select: str) -> Usable:
    """Restore the selected weights of a run, and return which were restored: see `CheckpointStore.usable`.

    A run that is still training may drop a checkpoint before it is restored; then the search starts again.

    :param select: "best" or "last", see `TrainConfig.select`.
    """
    store = CheckpointStore(run_path, select=select)
    for attempt in range(5):
        usable = store.usable()
        try:
            restore(sess, model.variables, store.path(usable.step))
            break
        except CheckpointError:
            if store.path(usable.step).is_dir() or attempt == 4:
                raise
    return usable


def load_run(run: RunDirectory) -> tuple[ConvNet, v1.Session, int]:
    """Build the network of a run and restore its weights.

    :return: the network, a session on it, and the epoch that its weights are from.
    """
    config = for_prediction(run.config)
    mean = np.zeros(run.input_shape) if run.config.data.mean == "pixel" else 0.0  # the saved mean replaces it
    model = build_model(config, run.input_shape, len(run.class_names), mean)
    sess = open_session(model, run.config.train.threads)
    if isinstance(run, PackagedRun):
        load_weights(sess, model, str(run.path))
        return model, sess, 0
    _, epoch, newest = load_selected(sess, model, run.path, run.config.train.select)
    is_last = newest.global_step == max(CheckpointStore(run.path).steps())  # else a warning named the damage
    if is_last and not run.info.get("published") and not run.is_finished(newest):
        num_epochs = run.config.train.num_epochs
        logger.warning("%s is not finished: %d of %d epochs are trained", run.path, newest.epoch, num_epochs)
    return model, sess, epoch
