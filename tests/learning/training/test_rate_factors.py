"""learning/training/rate_factors.py: variables that train at a rate of their own."""

import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as v1

from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS, MomentumOptimizer, Optimizer
from learning.programs.command_line import parse_train
from learning.training.rate_factors import rate_factors
from models.nn import EfficientNetLite
from tests.conftest import make_set, tf, tiny_model

PAGE = Path(__file__).parents[3] / "docs" / "finetuning.md"


def updates(session, name, factors, **options):
    """By how much one update changes each trained variable."""
    model, train_set = tiny_model(weight_decay=0.1), make_set()
    optimizer = OPTIMIZERS[name](model, train_set, AccuracyEvaluator(), rate_factors=factors, **options)
    sess = session(model)
    sess.run(optimizer.initialize)
    before = sess.run(model.trainable_variables)
    feed = model.feed(*train_set.next_batch(16), is_train=True) | {optimizer.learning_rate_placeholder: 0.01}
    sess.run(optimizer.optimize, feed)
    after = sess.run(model.trainable_variables)
    return {v.op.name: b - a for v, a, b in zip(model.trainable_variables, before, after, strict=True)}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_update_is_multiplied_by_the_factor_of_the_first_expression_that_matches(session, name):
    whole = updates(session, name, {})
    scaled = updates(session, name, {"conv1/weights": 0.5, "conv1": 0.0})
    for variable, update in whole.items():
        factor = 0.5 if variable == "conv1/weights" else 0.0 if variable.startswith("conv1") else 1.0
        np.testing.assert_allclose(scaled[variable], factor * update, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"conv7": 0.1}, "has 'conv7', which applies to none of the trained variables: conv1/weights"),
        ({"fc": 0.1, "fc/weights": 1.0}, "has 'fc/weights', which applies to none"),
        ({"(": 0.1}, r"has '\(', which is not a regular expression"),
        ({"fc": -1.0}, "rate_factors is .*; it must be a mapping of regular expressions"),
        ({"fc": math.inf}, "rate_factors is .*; it must be a mapping of regular expressions"),
        ({"fc": True}, "rate_factors is .*; it must be a mapping of regular expressions"),
        ({"fc": "much"}, "rate_factors is .*; it must be a mapping of regular expressions"),
    ],
)
def test_factors_that_cannot_be_meant(factors, message):
    with pytest.raises(ValueError, match=message):
        MomentumOptimizer(tiny_model(), make_set(), AccuracyEvaluator(), rate_factors=factors)


def test_an_update_rule_that_ignores_factors_is_refused():
    class Plain(Optimizer):
        def _optimize_op(self):
            rule = v1.train.GradientDescentOptimizer(self.learning_rate_placeholder)
            return rule.apply_gradients(self._gradients(self.model.loss))

    with pytest.raises(ValueError, match="no effect on Plain, whose _optimize_op does not call self._apply"):
        Plain(tiny_model(), make_set(), AccuracyEvaluator(), rate_factors={"fc": 0.5})
    Plain(tiny_model(), make_set(), AccuracyEvaluator())


def test_the_example_of_the_page_fits_the_recipe_for_folders():
    [example] = re.findall("`(--optimizer.rate_factors [^`]+)`", PAGE.read_text(encoding="utf-8"))
    config = parse_train(["--data-dir", "photos", *shlex.split(example)]).config
    with tf.Graph().as_default():
        model = EfficientNetLite((8, 8, 3), 2, width=0.1, depth=0.1, freeze=config.model.freeze)
    factors = rate_factors(model, config.optimizer)
    for prefix, factor in [
        ("stage4/", 0.1),
        ("stage5/", 0.1),
        ("stage6/", 1.0),
        ("head/", 0.5),
        ("fc/", 1.0),
    ]:
        assert {value for name, value in factors.items() if name.startswith(prefix)} == {factor}
