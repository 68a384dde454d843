"""Test a run on what it held out or on other images, and write the results."""

from contextlib import closing
from pathlib import Path
from typing import Any

from datasets.dataset import DataSet
from datasets.splits import Splits
from datasets.storage.atomic import write_csv
from datasets.storage.failures import storage_errors
from datasets.storage.paths import expanded
from learning.config.run_config import RunConfig
from learning.errors import CheckpointError
from learning.evaluation.calibration import fit_temperature
from learning.evaluation.evaluate import evaluate
from learning.evaluation.label_issues import MOST_LISTED, suspected_labels
from learning.evaluation.predicted_images import write_table
from learning.evaluation.results import results_folder, results_name, write_results
from learning.evaluation.worst_errors import write_errors
from learning.evaluators import class_indices
from learning.inference.temperature import Temperature, has_softmax, stored_temperature, write_temperature
from learning.inference.trained import load_run
from learning.runs import data as run_data
from learning.runs.directory import RunDirectory
from learning.terminal.progress import show_progress
from models.convnet import ConvNet


def evaluate_run(
    run: RunDirectory,
    data_dir: str | None = None,
    output: Path | None = None,
    *,
    all_crops: bool | None = None,
    label_issues: bool = False,
) -> tuple[dict[str, Any], list[Path]]:
    """Test the selected weights of a run, and write the results.

    :param data_dir: labelled images, see `run_data.open_labelled`; by default those that the run held out.
    :param output: the folder for the results, see `results_folder`.
    :param all_crops: test with all crops after the centre crop; None: as `train.test_crops` of the run says.
    :param label_issues: also list the images whose labels may be wrong, see `suspected_labels`.
    :return: the results of `evaluate` with split, epoch, errors (see `write_errors`), the first label_issues if
        they are asked for and, for other images, data_dir and bad_files; the files.
    :raises StorageError: the results cannot be written.
    """
    folder = results_folder(run, output)
    if data_dir is None:
        splits = run_data.open_data(run.config, run)  # run.json lists the unreadable files
        model, sess, epoch = load_run(run)
        with closing(sess):
            test = RunTest(sess, model, run.config, epoch, all_crops=all_crops, label_issues=label_issues)
            results, names = test.on_held_out(splits, folder)
        return results, [folder / name for name in names]
    labelled = run_data.open_labelled(run, data_dir)
    path = expanded(data_dir).resolve()
    name, found = results_name(folder, path), {"data_dir": str(path), "bad_files": labelled.bad_files}
    model, sess, epoch = load_run(run)
    with closing(sess):
        test = RunTest(sess, model, run.config, epoch, all_crops=all_crops, label_issues=label_issues)
        facts = {"split": data_dir, "epoch": epoch, **found}
        results, names = test.on(labelled.dataset, facts, _stored_temperature(run, epoch), folder, name)
    return results, [folder / name for name in names]


class RunTest:
    """Test the restored weights of a run, and write the results.

    :param epoch: whose weights they are.
    :param all_crops: test with all crops after the centre crop; None: as `train.test_crops` says.
    :param label_issues: also list the images whose labels may be wrong.
    """

    def __init__(
        self,
        sess: Any,
        model: ConvNet,
        config: RunConfig,
        epoch: int,
        *,
        all_crops: bool | None = None,
        label_issues: bool = False,
    ) -> None:
        self._sess, self._model, self._train, self._epoch = sess, model, config.train, epoch
        self._label_issues = label_issues
        self._all_crops = config.train.test_crops == "all" if all_crops is None else all_crops

    def on_held_out(self, splits: Splits, folder: Path) -> tuple[dict[str, Any], list[str]]:
        """Test on the images that the run held out; fit the temperature on the validation set, and write it too.

        :return: the results, and the names of the files in `folder`.
        """
        dataset, split = run_data.held_out(splits)
        fitted = self._fitted(splits.val)
        results, names = self.on(dataset, {"split": split, "epoch": self._epoch}, fitted, folder, "test")
        with storage_errors(folder, f"cannot write the temperature in {folder}", "make room"):
            return results, [*names, write_temperature(folder, fitted, self._epoch)]

    def _fitted(self, val: DataSet | None) -> Temperature:
        """Return the temperature that suits the validation set, by the centre crops."""
        if val is None:
            return Temperature(None, "there is no validation set")
        if not has_softmax(self._model):
            return Temperature(None, f"{type(self._model).__name__} has probabilities of its own")
        logits = self._model.compute(
            self._sess, "logits", val, batch_size=self._train.batch_size, progress=show_progress
        )
        return fit_temperature(logits, class_indices(val.labels, self._model.num_classes))

    def on(
        self, dataset: DataSet, facts: dict[str, Any], temperature: Temperature, folder: Path, name: str
    ) -> tuple[dict[str, Any], list[str]]:
        """Test on labelled images.

        :param facts: added to the results.
        """
        train = self._train
        results, images = evaluate(
            self._sess, self._model, dataset, evaluator=train.evaluator, batch_size=train.batch_size,
            all_crops=self._all_crops, temperature=temperature,
        )  # fmt: skip
        results |= facts
        names = [f"{name}-predictions.csv"]
        with storage_errors(folder, f"cannot write the results in {folder}", "make room"):
            write_table(images, folder / names[0])
            if self._label_issues:
                issues = suspected_labels(images)
                names.append(f"{name}-label-issues.csv")
                write_csv(folder / names[1], issues)
                results["label_issues"] = issues[:MOST_LISTED]
        results["errors"] = write_errors(self._sess, self._model, dataset, images, folder / f"{name}-errors")
        names += [f"{name}-errors"] if results["errors"] else []
        return results, [*write_results(results, folder, name), *names]


def _stored_temperature(run: RunDirectory, epoch: int) -> Temperature:
    """Return the temperature of a run, or why it has none."""
    try:
        return stored_temperature(run, epoch)
    except CheckpointError as error:
        return Temperature(None, str(error))
