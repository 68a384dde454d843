"""learning/training/loop.py: the post's contract, schedules, resume, signals, NaN and Inf."""

import csv
import errno
import math
import os
import shutil
import signal

import numpy as np
import pytest
import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from learning.checkpoints.store import CheckpointStore
from learning.config.run_config import OptimizerConfig, RunConfig, ScheduleConfig, TrainConfig
from learning.errors import CheckpointError, DirectoryInUseError, Interrupted, NonFiniteError, StorageError
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS, MomentumOptimizer, Optimizer
from learning.runs.directory import locked
from learning.training.record import History
from tests.conftest import make_set, sessions, tiny_model
from tests.support.other_process import holder
from tests.support.tiny_training import HP, Scores, assert_same_state, train, weights

pytestmark = pytest.mark.usefixtures("without_pictures")


class TestContract:
    def test_updates_and_results(self, session, tmp_path):
        optimizer, sess, results = train(session, tmp_path)
        assert {name: len(values) for name, values in results.items()} == {
            "step_losses": 3 * (48 // 10),
            "step_scores": 3,
            "eval_scores": 3,
        }
        assert sess.run(optimizer.model.global_step) == 12
        assert all(math.isfinite(loss) for loss in results["step_losses"])

    def test_without_details_nothing_is_returned(self, session, tmp_path):
        model = tiny_model()
        optimizer = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), **HP)
        assert optimizer.train(session(model), tmp_path, verbose=False) is None

    def test_learns(self, session, tmp_path):
        _, _, results = train(session, tmp_path, num_epochs=15)
        assert results["eval_scores"][-1] == 1.0

    def test_best_weights_are_model_ckpt(self, session, tmp_path):
        optimizer, sess, _ = train(session, tmp_path, evaluator=Scores([0.5, 0.9, 0.7]))
        assert (optimizer.best_score, optimizer.state.best_epoch) == (0.9, 2)
        last = weights(optimizer, sess)
        with optimizer.model.graph.as_default():
            v1.train.Saver(optimizer.model.variables).restore(sess, str(tmp_path / "model.ckpt"))
        best = weights(optimizer, sess)
        assert not np.array_equal(last["conv1/weights"], best["conv1/weights"])
        reader_step = CheckpointStore(tmp_path).newest_state().best_step
        assert reader_step == 2 * 4

    def test_without_a_validation_set_the_minibatch_decides(self, session, tmp_path):
        model = tiny_model()
        evaluator = Scores([0.2, 0.4])
        optimizer = MomentumOptimizer(model, make_set(48), evaluator, **{**HP, "num_epochs": 3})
        results = optimizer.train(session(model), tmp_path, details=True, verbose=False)
        assert results["eval_scores"] == []
        assert optimizer.best_score == 0.4

    def test_the_history(self, session, tmp_path):
        _, _, results = train(session, tmp_path)
        rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
        assert [int(row["step"]) for row in rows] == [4, 8, 12]
        assert float(rows[0]["train_loss"]) == pytest.approx(np.mean(results["step_losses"][:4]))
        assert [float(row["val_score"]) for row in rows] == results["eval_scores"]

    def test_tensorboard_events_when_asked(self, session, tmp_path):
        train(session, tmp_path, tensorboard=True, num_epochs=1)
        assert list(tmp_path.glob("events.out.tfevents.*"))

    def test_a_batch_larger_than_the_set(self, session, tmp_path):
        with pytest.raises(ValueError, match="batch_size is 49, more than the 48 training images"):
            train(session, tmp_path, batch_size=49)

    def test_unknown_option(self):
        with pytest.raises(TypeError, match="'momentun'; did you mean 'momentum'"):
            MomentumOptimizer(tiny_model(), make_set(8), AccuracyEvaluator(), momentun=0.5)

    def test_an_option_of_the_graph_cannot_change_in_train(self, session, tmp_path):
        model = tiny_model()
        optimizer = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), momentum=0.9)
        with pytest.raises(ValueError, match="momentum is 0.5 in train"):
            optimizer.train(session(model), tmp_path, momentum=0.5)

    def test_without_a_directory_one_is_made_under_runs(self, session, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        model = tiny_model()
        optimizer = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), **{**HP, "num_epochs": 1})
        optimizer.train(session(model), verbose=False)
        assert optimizer.save_dir.parent.name == "runs"
        assert (tmp_path / optimizer.save_dir / "model.ckpt.index").is_file()

    def test_an_evaluator_written_as_in_the_post_has_a_best_epoch(self, session, tmp_path):
        class PostEvaluator(Scores):
            def is_better(self, curr, best, **kwargs):
                return curr > best * (1.0 + kwargs.pop("score_threshold", 1e-4))

        optimizer, _, _ = train(session, tmp_path, evaluator=PostEvaluator([0.5, 0.9, 0.7]))
        assert optimizer.state.best_epoch == 2

    def test_images_of_another_size_than_the_models_input(self):
        message = r"images of \(8, 8, 3\), the model takes \(10, 10, 3\); give DataSet\(..., crop_size=10\)"
        for sets in ((make_set(8, crop=8),), (make_set(8), make_set(8, crop=8))):
            with pytest.raises(ValueError, match=message):
                MomentumOptimizer(tiny_model(), sets[0], AccuracyEvaluator(), *sets[1:])

    @pytest.mark.fault(44)
    @pytest.mark.parametrize("which", ["train_set", "val_set"])
    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ([1, 2, 1], "labels go up to 2, but the 2 classes of the model are 0 to 1; .* subtract 1"),
            (np.eye(3), "labels have 3 columns, but the model has 2 classes"),
            (None, "has no labels; give DataSet"),
        ],
    )
    def test_labels_of_other_classes_than_the_models(self, which, labels, message):
        sets = {"train_set": make_set(12), "val_set": make_set(12)}
        sets[which] = DataSet(np.zeros((3, 10, 10, 3), np.uint8), labels)
        with pytest.raises(ValueError, match=message):
            MomentumOptimizer(tiny_model(), evaluator=AccuracyEvaluator(), **sets, **HP)

    @pytest.mark.fault(44, 45)
    def test_bytes_and_floats_class_numbers_and_one_hot_rows_train_and_score_the_same(
        self, session, tmp_path
    ):
        found = []
        for name in ("train_set", "val_set"):
            sets = {"train_set": make_set(20), "val_set": make_set(20, seed=1)}
            images, column = np.asarray(sets[name].images), sets[name].labels.argmax(axis=1)[:, None]
            sets[name] = DataSet(images / np.float32(255), column.astype(float), crop_size=10)
            model = tiny_model()
            optimizer = MomentumOptimizer(
                model, evaluator=AccuracyEvaluator(), **sets, **HP | {"num_epochs": 1}
            )
            found.append(optimizer.train(session(model), tmp_path / name, details=True, verbose=False))
        for kind, values in found[0].items():
            np.testing.assert_allclose(values, found[1][kind], rtol=1e-4, err_msg=kind)

    def test_options_override_a_configuration(self, session, tmp_path):
        model, config = tiny_model(), RunConfig(train=TrainConfig(batch_size=10, num_epochs=1))
        optimizer = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), config=config, batch_size=16)
        results = optimizer.train(session(model), tmp_path, details=True, verbose=False)
        assert len(results["step_losses"]) == 48 // 16

    def test_options_given_to_train_change_nothing_else(self):
        config = RunConfig(train=TrainConfig(evaluator="macro_f1", threads=1, batch_size=4))
        changed = config.replace_flat({"batch_size": 8, "schedule": "cosine"})
        assert (changed.train.evaluator, changed.train.threads, changed.train.batch_size) == (
            "macro_f1",
            1,
            8,
        )
        assert changed.schedule.name == "cosine"

    def test_options_given_to_train_are_used(self, session, tmp_path):
        model = tiny_model()
        optimizer = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), num_epochs=1, batch_size=10)
        results = optimizer.train(session(model), tmp_path, details=True, verbose=False, num_epochs=2)
        assert len(results["step_scores"]) == 2


class TestLearningRate:
    def rates(self, session, tmp_path, scores, **hp):
        optimizer, _, _ = train(session, tmp_path, evaluator=Scores(scores), num_epochs=len(scores), **hp)
        return [row["learning_rate"] for row in optimizer.state.history]

    def test_more_than_patience_bad_epochs_lower_it_and_the_count_starts_again(self, session, tmp_path):
        scores = [0.5, 0.5, 0.4, 0.5, 0.5, 0.5, 0.5, 0.6]  # bad: 2..7; with patience 2 it falls after 4 and 7
        rates = self.rates(session, tmp_path, scores, learning_rate_patience=2)
        np.testing.assert_allclose(rates, [0.05] * 4 + [0.005] * 3 + [0.0005], rtol=1e-12)

    def test_a_change_below_eps_is_not_made(self, session, tmp_path):
        rates = self.rates(session, tmp_path, [0.5] * 4, learning_rate_patience=0, eps=0.1)
        np.testing.assert_allclose(rates, [0.05] * 4)

    def test_score_threshold_is_relative(self, session, tmp_path):
        optimizer, _, _ = train(session, tmp_path, evaluator=Scores([0.5, 0.52, 0.56]), score_threshold=0.1)
        assert optimizer.state.best_epoch == 3

    def test_steps_and_cosine_move_with_the_updates(self, session, tmp_path):
        rates = self.rates(session, tmp_path / "a", [0.5] * 3, schedule="steps", boundaries=(4, 10))
        np.testing.assert_allclose(rates, [0.05, 0.005, 0.0005])  # of updates 4, 8, 12
        rates = self.rates(session, tmp_path / "b", [0.5] * 3, schedule="cosine")
        np.testing.assert_allclose(
            rates, [0.025 * (1 + math.cos(math.pi * step / 12)) for step in (3, 7, 11)]
        )

    def test_early_stopping(self, session, tmp_path):
        scores = [0.5, 0.6, 0.5, 0.5, 0.5, 0.9]
        optimizer, _, _ = train(
            session, tmp_path, evaluator=Scores(scores), num_epochs=6, early_stopping_patience=2
        )
        assert optimizer.state.epoch == 5

    def test_a_users_own_rule_written_as_in_the_post(self, session, tmp_path):
        class Halving(Optimizer):
            def _optimize_op(self, **kwargs):
                rule = v1.train.MomentumOptimizer(self.learning_rate_placeholder, kwargs.pop("momentum", 0.9))
                return rule.minimize(self.model.loss, var_list=v1.trainable_variables())

            def _update_learning_rate(self, **kwargs):
                if self.num_bad_epochs > kwargs.pop("learning_rate_patience", 10):
                    self.curr_learning_rate = self.curr_learning_rate * 0.5
                    self.num_bad_epochs = 0

        rates = self.rates(session, tmp_path, [0.5] * 4, kind=Halving, learning_rate_patience=0)
        np.testing.assert_allclose(rates, [0.05, 0.05, 0.025, 0.0125])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    with sessions() as open_session:
        yield train(open_session, tmp_path_factory.mktemp("whole"))


class TestResume:
    @pytest.mark.parametrize("kind", [MomentumOptimizer, OPTIMIZERS["adam"]])
    def test_is_exact(self, session, tmp_path, kind):
        whole = train(session, tmp_path / "whole", kind=kind, num_epochs=6)
        train(session, tmp_path / "parts", kind=kind, num_epochs=2)
        parts = train(session, tmp_path / "parts", kind=kind, num_epochs=6, resume=True)
        assert_same_state(whole, parts)
        histories = [(tmp_path / name / "history.csv").read_bytes() for name in ("whole", "parts")]
        assert histories[0] == histories[1]

    @pytest.mark.fault(38)
    @pytest.mark.usefixtures("without_nohup")
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    @pytest.mark.parametrize("during", ["step", "save"])
    def test_a_signal_saves_and_leaves_and_the_resumed_run_is_exact(
        self, session, tmp_path, whole, number, during, monkeypatch
    ):
        model = tiny_model(dropout_prob=0.3)
        optimizer = MomentumOptimizer(model, make_set(48), AccuracyEvaluator(), make_set(20, seed=1), **HP)
        where, name, count = (model, "feed", 6) if during == "step" else (CheckpointStore, "_write", 2)
        original, calls = getattr(where, name), []

        def with_signal(*args, **options):
            calls.append(1)
            if len(calls) == count:  # in the middle of the second epoch, or in the save at its end
                os.kill(os.getpid(), number)
            return original(*args, **options)

        handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        with monkeypatch.context() as patch:
            patch.setattr(where, name, with_signal)
            with pytest.raises(Interrupted, match="all saved; continue with train.py --resume") as raised:
                optimizer.train(session(model), tmp_path / "parts", verbose=False)
        assert raised.value.exit_code == 128 + number
        assert handlers == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
        assert_same_state(whole, train(session, tmp_path / "parts", resume=True))

    @pytest.mark.fault(29, 32)
    @pytest.mark.parametrize("damaged", [[12], [8, 12]])
    def test_from_the_checkpoint_before_a_damaged_one_is_exact(self, session, tmp_path, caplog, damaged):
        whole = train(session, tmp_path / "whole", num_epochs=4, keep_checkpoints=3)
        train(session, tmp_path / "parts", num_epochs=3, keep_checkpoints=3)
        store = CheckpointStore(tmp_path / "parts")
        for step in damaged:
            index = store.path(step) / "model.ckpt.index"
            index.write_bytes(index.read_bytes()[:-1])  # in place: model.ckpt is a link to the same file
        (store.folder / ".writing-step-00000016").mkdir()
        parts = train(session, tmp_path / "parts", num_epochs=4, keep_checkpoints=3, resume=True)
        assert_same_state(whole, parts)
        assert [f"step-{step:08d} is damaged" in caplog.text for step in (4, 8, 12)] == [
            step in damaged for step in (4, 8, 12)
        ]
        assert (tmp_path / "parts" / "history.csv").read_bytes() == (
            tmp_path / "whole" / "history.csv"
        ).read_bytes()
        for name in ("timing.csv", "log.txt"):  # what they say of time differs
            lines = [(tmp_path / part / name).read_text().splitlines() for part in ("whole", "parts")]
            assert [len(part) for part in lines] == [4 + (name == "timing.csv")] * 2
        rows = csv.DictReader((tmp_path / "parts" / "timing.csv").read_text().splitlines())
        assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
        for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
            assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert [path.name for path in store.folder.glob(".*")] == [".damaged-step-00000012"]

    @pytest.mark.fault(31)
    def test_with_only_damaged_checkpoints_nothing_is_started_or_changed(self, session, tmp_path):
        train(session, tmp_path)
        for step in CheckpointStore(tmp_path).steps():
            (CheckpointStore(tmp_path).path(step) / "state.json").write_text("{}")
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(CheckpointError, match="no checkpoint can be used"):
            train(session, tmp_path, resume=True)
        with pytest.raises(DirectoryInUseError, match="already holds a run"):
            train(session, tmp_path)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    @pytest.mark.fault(33)
    @pytest.mark.parametrize("name", ["on_epoch", "on_stop"])
    def test_a_full_disk_under_the_log_leaves_the_checkpoint(
        self, session, tmp_path, whole, monkeypatch, name
    ):

        def full(self, *args):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(History, name, full)
            with pytest.raises(
                StorageError, match="No space left .*; the checkpoint of update (4|12) is saved"
            ):
                train(session, tmp_path / "parts")
        assert_same_state(whole, train(session, tmp_path / "parts", resume=True))

    @pytest.mark.fault(22)
    def test_a_used_directory_is_not_overwritten(self, session, tmp_path):
        train(session, tmp_path)
        with pytest.raises(DirectoryInUseError, match="already holds a run; resume it, or choose another"):
            train(session, tmp_path)

    def test_a_run_killed_before_its_first_checkpoint_starts_again(self, session, tmp_path):
        assert train(session, tmp_path, resume=True)[0].state.epoch == 3

    @pytest.mark.fault(30)
    def test_a_run_without_its_checkpoints_is_not_started_again(self, session, tmp_path):
        train(session, tmp_path)
        shutil.rmtree(tmp_path / "checkpoints")
        with pytest.raises(CheckpointError, match="no checkpoint in"):
            train(session, tmp_path, resume=True)


class TestLock:
    """Only the process that holds a directory trains in it, from train.py or any other program."""

    @pytest.mark.fault(36)
    def test_another_process_is_named_and_nothing_is_done(self, session, tmp_path):
        with holder(tmp_path) as (process, _):
            with pytest.raises(DirectoryInUseError, match=f"is in use by process {process.pid} on .*; wait"):
                train(session, tmp_path)
            assert [path.name for path in tmp_path.iterdir()] == [".lock"]
        train(session, tmp_path, num_epochs=1)

    def test_the_holder_itself_can_train(self, session, tmp_path):
        with locked(tmp_path / "run", resumed=False):
            train(session, tmp_path / "run", num_epochs=1)


class TestNumbers:
    @pytest.mark.fault(39)
    def test_a_loss_that_is_not_finite_stops_before_anything_is_saved(self, session, tmp_path):
        with pytest.raises(
            NonFiniteError, match="the loss is .* start again with a lower init_learning_rate"
        ):
            train(session, tmp_path, init_learning_rate=1e30, num_epochs=5)
        for step in CheckpointStore(tmp_path).steps():
            assert all(map(math.isfinite, CheckpointStore(tmp_path).read_state(step).step_losses))

    @pytest.mark.fault(39)
    def test_weights_with_nan_or_inf_are_not_saved(self, session, tmp_path):
        class Breaking(Optimizer):
            def _optimize_op(self):
                biases = next(v for v in self.model.trainable_variables if v.op.name == "fc/biases")
                return biases.assign([math.inf, 0.0])

        with pytest.raises(NonFiniteError, match="NaN or Inf in the variable fc/biases after update 1,"):
            train(session, tmp_path, kind=Breaking, batch_size=48, num_epochs=1, weight_decay=0.0)
        assert CheckpointStore(tmp_path).steps() == []

    @pytest.mark.fault(40)
    def test_a_nan_score_is_never_best_and_patience_counts(self, session, tmp_path):
        optimizer, _, _ = train(session, tmp_path, evaluator=Scores([0.5, math.nan, math.nan]))
        assert optimizer.state.best_epoch == 1
        assert optimizer.num_bad_epochs == 2
        assert math.isnan(CheckpointStore(tmp_path).newest_state().eval_scores[-1])


def test_typed_configuration_and_flat_options_train_the_same(session, tmp_path):
    config = RunConfig(
        optimizer=OptimizerConfig(init_learning_rate=0.05),
        schedule=ScheduleConfig(),
        train=TrainConfig(batch_size=10, num_epochs=3, augment_pred=False),
    )
    model = tiny_model(dropout_prob=0.3)
    optimizer = MomentumOptimizer(
        model, make_set(48), AccuracyEvaluator(), make_set(20, seed=1), config=config
    )
    sess = session(model)
    results = optimizer.train(sess, tmp_path / "typed", details=True, verbose=False)
    assert_same_state((optimizer, sess, results), train(session, tmp_path / "flat"))
