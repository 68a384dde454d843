"""Every evaluator keeps one contract; each metric is compared with values worked out by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from learning.evaluators import (
    EVALUATORS,
    AccuracyEvaluator,
    BalancedAccuracyEvaluator,
    ErrorRateEvaluator,
    Evaluator,
    LogLossEvaluator,
    MacroF1Evaluator,
    RocAucEvaluator,
    TopKAccuracyEvaluator,
    class_indices,
    cross_entropy,
)

pytestmark = pytest.mark.filterwarnings("error")

NUM_CLASSES = 8
LOWER_IS_BETTER = {"error_rate", "log_loss"}


@pytest.fixture(params=sorted(EVALUATORS))
def evaluator(request):
    return EVALUATORS[request.param]()


@pytest.fixture
def labels():
    """Return every class 25 times."""
    return np.random.default_rng(0).permutation(np.arange(200) % NUM_CLASSES)


@pytest.fixture
def random_predictions():
    return np.random.default_rng(1).dirichlet(np.ones(NUM_CLASSES), 200).astype(np.float32)


def perfect_predictions(labels, num_classes=NUM_CLASSES):
    """Return predictions with nearly all probability on the true class."""
    one_hot = np.eye(num_classes)[labels]
    return (0.99 * one_hot + 0.01 / num_classes).astype(np.float32)


class TestContract:
    def test_name_is_the_catalogue_key(self):
        assert {name: make().name for name, make in EVALUATORS.items()} == {name: name for name in EVALUATORS}

    def test_mode(self, evaluator):
        assert evaluator.mode == ("min" if evaluator.name in LOWER_IS_BETTER else "max")

    def test_score_is_a_python_float(self, evaluator, labels, random_predictions):
        assert type(evaluator.score(labels, random_predictions)) is float

    def test_one_hot_and_indices_agree(self, evaluator, labels, random_predictions):
        one_hot = np.eye(NUM_CLASSES, dtype=np.float32)[labels]
        expected = evaluator.score(labels, random_predictions)
        assert evaluator.score(one_hot, random_predictions) == expected
        assert evaluator.score(labels.astype(np.uint8), random_predictions) == expected

    def test_perfect_beats_random_beats_worst(self, evaluator, labels, random_predictions):
        perfect = evaluator.score(labels, perfect_predictions(labels))
        random = evaluator.score(labels, random_predictions)
        assert evaluator.is_better(perfect, random)
        assert evaluator.is_better(random, evaluator.worst_score)
        assert not evaluator.is_better(random, perfect)

    def test_nothing_is_worse_than_the_worst(self, evaluator, labels):
        wrong = perfect_predictions((labels + 1) % NUM_CLASSES)
        wrong[np.arange(len(labels)), labels] = 0
        wrong /= wrong.sum(axis=1, keepdims=True)
        score = evaluator.score(labels, wrong)
        assert not evaluator.is_better(evaluator.worst_score, score)

    def test_tie_is_not_better(self, evaluator):
        for score in (0.5, evaluator.worst_score):
            assert not evaluator.is_better(score, score)

    @pytest.mark.fault(40)
    @pytest.mark.parametrize("curr", [math.nan, math.inf, -math.inf])
    def test_a_score_that_is_not_finite_never_wins(self, evaluator, curr):
        for best in (0.5, evaluator.worst_score, math.nan):
            assert evaluator.is_better(curr, best) is False

    def test_finite_score_beats_nan(self, evaluator):
        finite_worst = evaluator.worst_score if math.isfinite(evaluator.worst_score) else 1e9
        assert evaluator.is_better(finite_worst, math.nan) is True

    def test_any_gain_over_the_worst_counts(self, evaluator):
        tiny_gain = {-1.0: -1 + 1e-9, 0.0: 1e-9, 1.0: 1 - 1e-9, math.inf: 1e300}[evaluator.worst_score]
        assert evaluator.is_better(tiny_gain, evaluator.worst_score) is True

    def test_threshold_is_relative_to_the_best(self, evaluator):
        gain = 1 if evaluator.mode == "max" else -1
        assert not evaluator.is_better(0.5 * (1 + gain * 0.9e-4), 0.5)
        assert evaluator.is_better(0.5 * (1 + gain * 1.1e-4), 0.5)
        assert evaluator.is_better(0.5 * (1 + gain * 1e-6), 0.5, score_threshold=0)
        assert not evaluator.is_better(0.5 * (1 + gain * 0.09), 0.5, score_threshold=0.1)

    @pytest.mark.parametrize("threshold", [-1e-4, math.nan])
    def test_threshold_out_of_range(self, evaluator, threshold):
        with pytest.raises(ValueError, match=r"score_threshold is .*; give 0 or"):
            evaluator.is_better(0.6, 0.5, score_threshold=threshold)

    def test_batch_with_some_of_the_classes(self, evaluator):
        labels = np.array([6, 2, 6])
        score = evaluator.score(labels, perfect_predictions(labels))
        if evaluator.name == "roc_auc":
            assert math.isnan(score)
        elif evaluator.name == "log_loss":
            assert score == pytest.approx(-math.log(0.99 + 0.01 / NUM_CLASSES), rel=1e-5)
        else:
            assert score == (1.0 if evaluator.mode == "max" else 0.0)

    def test_predicted_class_that_does_not_occur(self, evaluator):
        score = evaluator.score(np.array([0, 0]), perfect_predictions(np.array([0, 7])))
        assert math.isnan(score) == (evaluator.name == "roc_auc")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_prediction_that_is_not_finite_scores_nan(self, evaluator, labels, random_predictions, value):
        random_predictions[3, 2] = value
        assert math.isnan(evaluator.score(labels, random_predictions))

    def test_arrays_are_returned_unchanged(self, evaluator, labels, random_predictions):
        copies = labels.copy(), random_predictions.copy()
        evaluator.score(labels, random_predictions)
        np.testing.assert_array_equal(labels, copies[0])
        np.testing.assert_array_equal(random_predictions, copies[1])

    @pytest.mark.parametrize(
        ("y_true", "y_pred", "message"),
        [
            (np.zeros(0, int), np.zeros((0, 8)), "y_pred is empty; give at least one"),
            (np.zeros(3, int), np.zeros(3), r"y_pred has shape \(3,\); give \(N, K\)"),
            (np.zeros(3, int), np.zeros((3, 1)), r"y_pred has shape \(3, 1\); give \(N, K\)"),
            (np.zeros(2, int), np.zeros((3, 8)), "give one label for each prediction"),
            (np.array(0), np.zeros((3, 8)), "give one label for each prediction"),
            (np.eye(3, 5), np.zeros((3, 8)), r"y_true is float64 of shape \(3, 5\); give one-hot"),
            (np.zeros(3), np.zeros((3, 8)), r"y_true is float64 of shape \(3,\); give one-hot"),
            (np.zeros((3, 8)), np.zeros((3, 8)), "y_true is not one-hot"),
            (np.full((3, 8), 0.125), np.zeros((3, 8)), "y_true is not one-hot"),
            (np.array([0, 1, 8]), np.zeros((3, 8)), "classes 0 to 8.*give indices from 0 to 7"),
            (np.array([0, 1, -1]), np.zeros((3, 8)), "classes -1 to 1.*give indices from 0 to 7"),
        ],
    )
    def test_the_message_says_what_does_not_fit(self, evaluator, y_true, y_pred, message):
        with pytest.raises(ValueError, match=message):
            evaluator.score(y_true, y_pred)


# Predicted classes 0, 1, 1, 2, 2, 0 for the true classes 0, 0, 1, 1, 2, 2.
SIX_LABELS = np.array([0, 0, 1, 1, 2, 2])
SIX_PREDICTIONS = np.array(
    [[0.6, 0.3, 0.1], [0.3, 0.5, 0.2], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0.0, 0.1, 0.9], [0.7, 0.1, 0.2]]
)


class TestByHand:
    def test_accuracy_and_error_rate(self):
        assert AccuracyEvaluator().score(SIX_LABELS, SIX_PREDICTIONS) == 3 / 6
        assert ErrorRateEvaluator().score(SIX_LABELS, SIX_PREDICTIONS) == 3 / 6
        assert ErrorRateEvaluator().score(SIX_LABELS[[0, 2, 3]], SIX_PREDICTIONS[[0, 2, 3]]) == pytest.approx(
            1 / 3
        )

    def test_top_k_accuracy(self):
        # the two most probable: {0,1} {1,0} {1,0|2} {2,1} {2,1} {0,2}: all six hold the true class
        assert TopKAccuracyEvaluator(k=2).score(SIX_LABELS, SIX_PREDICTIONS) == 1.0
        assert TopKAccuracyEvaluator(k=2).score(np.array([2]), SIX_PREDICTIONS[:1]) == 0.0
        assert TopKAccuracyEvaluator(k=1).score(SIX_LABELS, SIX_PREDICTIONS) == 3 / 6
        assert TopKAccuracyEvaluator(k=1).score(np.array([1, 1]), np.array([[0.1, 0.9], [0.8, 0.2]])) == 0.5

    def test_top_five_counts_the_fifth_and_not_the_sixth(self):
        falling = np.array([[0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05]])
        assert TopKAccuracyEvaluator().score(np.array([4]), falling) == 1.0
        assert TopKAccuracyEvaluator().score(np.array([5]), falling) == 0.0

    def test_macro_f1(self):
        # truth 0,0,1,1 and predictions 0,1,1,1: F1 is 2/3 for class 0, 4/5 for class 1; class 2 has none
        predictions = np.eye(3)[[0, 1, 1, 1]]
        assert MacroF1Evaluator().score(np.array([0, 0, 1, 1]), predictions) == pytest.approx(
            (2 / 3 + 4 / 5) / 2
        )

    def test_macro_f1_of_a_class_only_predicted_is_zero(self):
        # class 0: precision 1, recall 1/2, F1 2/3; class 2: no true example, F1 0; class 1: left out
        assert MacroF1Evaluator().score(np.array([0, 0]), np.eye(3)[[0, 2]]) == pytest.approx(1 / 3)

    def test_balanced_accuracy(self):
        # recall 3/4 for class 0, 0/1 for class 1; class 2 does not occur
        predictions = np.eye(3)[[0, 0, 0, 2, 2]]
        assert BalancedAccuracyEvaluator().score(np.array([0, 0, 0, 0, 1]), predictions) == pytest.approx(
            0.375
        )

    def test_balanced_accuracy_is_scikit_learns(self):
        rng = np.random.default_rng(2)
        labels, predictions = rng.integers(0, 4, 60), rng.dirichlet(np.ones(6), 60)
        with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
            expected = balanced_accuracy_score(labels, predictions.argmax(axis=1))
        assert BalancedAccuracyEvaluator().score(labels, predictions) == pytest.approx(expected)

    def test_roc_auc_of_two_classes(self):
        # of the 2x2 pairs (positive, negative) three are in order: 0.35 < 0.4 is the wrong one
        positive = np.array([0.1, 0.4, 0.35, 0.8])
        predictions = np.stack([1 - positive, positive], axis=1)
        assert RocAucEvaluator().score(np.array([0, 0, 1, 1]), predictions) == 0.75

    def test_roc_auc_of_three_classes(self):
        # pairs in order, of 8 (a tie is half): class 0 (.6 .3 | .1 .1 0 .7): 3 + 3; class 1 (.8 .2 | .3 .5
        # .1 .1): 4 + 2; class 2 (.9 .2 | .1 .2 .1 .7): 4 + 2.5
        score = RocAucEvaluator().score(SIX_LABELS, SIX_PREDICTIONS)
        assert score == pytest.approx((6 / 8 + 6 / 8 + 6.5 / 8) / 3)

    @pytest.mark.parametrize("num_classes", [2, 3])
    def test_roc_auc_without_a_class_is_nan(self, num_classes):
        assert math.isnan(
            RocAucEvaluator().score(np.array([1, 1]), np.full((2, num_classes), 1 / num_classes))
        )

    def test_log_loss(self):
        expected = -(math.log(0.6) + math.log(0.3)) / 2
        assert LogLossEvaluator().score(SIX_LABELS[:2], SIX_PREDICTIONS[:2]) == pytest.approx(expected)

    def test_log_loss_of_two_classes_with_one_absent(self):
        predictions = np.array([[0.25, 0.75], [0.5, 0.5]])
        expected = -(math.log(0.75) + math.log(0.5)) / 2
        assert LogLossEvaluator().score(np.array([1, 1]), predictions) == pytest.approx(expected)

    def test_log_loss_of_zero_probability_is_bounded(self):
        score = LogLossEvaluator().score(np.array([0]), np.array([[0.0, 1.0]]))
        assert score == pytest.approx(-math.log(np.finfo(np.float64).eps))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_log_loss_of_rounded_probabilities(self, dtype):
        logits = np.random.default_rng(3).normal(size=(64, 1000))
        exact = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = np.arange(64)
        rounded = LogLossEvaluator().score(labels, exact.astype(dtype))
        assert rounded == pytest.approx(LogLossEvaluator().score(labels, exact), rel=1e-3)

    def test_log_loss_just_above_one(self):
        above = np.array([[np.nextafter(np.float32(1), np.float32(2)), 0]], np.float32)
        assert LogLossEvaluator().score(np.array([0]), above) == pytest.approx(0.0, abs=1e-12)

    @pytest.mark.parametrize("row", [[2.0, -1.0], [0.5, 0.6], [3.0, 4.0]])
    def test_log_loss_of_logits_is_an_error(self, row):
        with pytest.raises(ValueError, match="probabilities that sum to 1, the softmax of the logits"):
            LogLossEvaluator().score(np.array([0]), np.array([row]))


@pytest.mark.fault(48)
class TestCheckLabels:
    NAMES = tuple("abcdefgh")

    def test_labels_of_every_class_pass(self, evaluator, labels):
        evaluator.check_labels(labels, self.NAMES)
        evaluator.check_labels(np.eye(NUM_CLASSES)[labels], self.NAMES)

    def test_accepted_inputs_have_a_finite_score_and_refused_ones_none(self, evaluator, labels):
        some = labels[labels > 1]
        score = evaluator.score(some, perfect_predictions(some))
        if math.isnan(score):
            with pytest.raises(
                ValueError, match=r"needs images of every class, .* none of 'a', 'b'; add some, or"
            ):
                evaluator.check_labels(some, self.NAMES)
        else:
            evaluator.check_labels(some, self.NAMES)

    @pytest.mark.parametrize("num_classes", [4, 5])
    def test_too_few_classes(self, num_classes):
        with pytest.raises(ValueError, match=f"choose k below {num_classes}"):
            TopKAccuracyEvaluator(k=5).check_labels(np.arange(num_classes), self.NAMES[:num_classes])


class TestTopKArguments:
    @pytest.mark.parametrize("k", [0, -1, 2.0, True])
    def test_k_out_of_range(self, k):
        with pytest.raises(ValueError, match=r"k is .*; give a positive integer"):
            TopKAccuracyEvaluator(k=k)

    @pytest.mark.parametrize("num_classes", [4, 5])
    def test_k_not_below_the_number_of_classes(self, num_classes):
        with pytest.raises(ValueError, match=f"choose k below {num_classes}, or the evaluator 'accuracy'"):
            TopKAccuracyEvaluator(k=5).score(np.array([0]), np.full((1, num_classes), 1 / num_classes))


class TestSubclass:
    """An evaluator written as in the AlexNet post works with the base class."""

    class RecallOfDogsEvaluator(Evaluator):
        worst_score = -1.0
        mode = "max"

        def score(self, y_true, y_pred):
            return 0.25

    def test_is_better_follows_from_mode(self):
        evaluator = self.RecallOfDogsEvaluator()
        assert evaluator.is_better(evaluator.score(None, None), evaluator.worst_score)
        assert evaluator.name == "recall_of_dogs"

    def test_negative_best_has_a_threshold_of_its_size(self):
        evaluator = self.RecallOfDogsEvaluator()
        assert not evaluator.is_better(-0.5 + 0.9 * 0.05, -0.5, score_threshold=0.1)
        assert evaluator.is_better(-0.5 + 1.1 * 0.05, -0.5, score_threshold=0.1)

    def test_no_labels_are_refused(self):
        self.RecallOfDogsEvaluator().check_labels(np.array([1]), ("cat", "dog"))

    def test_base_class_is_abstract(self):
        with pytest.raises(TypeError, match="abstract"):
            Evaluator()


def test_class_indices_of_one_hot():
    np.testing.assert_array_equal(class_indices(np.eye(4, dtype=np.uint8)[[3, 0, 2]], 4), [3, 0, 2])


def test_import_brings_no_tensorflow():
    code = "import sys, learning.evaluators; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestCrossEntropy:
    def test_by_hand(self):
        truth = np.eye(3)[[0, 2]]
        pred = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], np.float32)
        assert cross_entropy(truth, pred) == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2)

    def test_equals_the_log_loss(self):
        pred = np.random.default_rng(0).dirichlet(np.ones(4), 50).astype(np.float32)
        labels = np.arange(50) % 4
        expected = LogLossEvaluator().score(labels, pred)
        assert cross_entropy(np.eye(4)[labels], pred) == pytest.approx(expected)

    @pytest.mark.parametrize("pred", [[[0.9, 0.9]], [[math.nan, 0.5]], [[-3.0, 7.0]]])
    def test_what_is_not_a_probability_has_none(self, pred):
        assert cross_entropy(np.array([[1.0, 0.0]]), np.array(pred)) is None

    def test_a_probability_of_zero_is_finite(self):
        assert 36 < cross_entropy(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) < 37
