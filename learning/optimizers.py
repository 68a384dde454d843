"""The update rules. What they share, the training of a model, is in `learning.training.optimizer`."""

import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.training.optimizer import Optimizer
from learning.training.rate_factors import rate_factors, scaled


class MomentumOptimizer(Optimizer):
    """Stochastic gradient descent with momentum: Krizhevsky et al. 2012, section 5."""

    def _optimize_op(self, momentum: float = 0.9) -> tf.Operation:
        return self._apply(
            lambda rate: v1.train.MomentumOptimizer(rate, momentum), self._gradients(self.model.loss)
        )


class NesterovOptimizer(Optimizer):
    """Momentum with the gradient taken one step ahead: Sutskever et al. 2013."""

    def _optimize_op(self, momentum: float = 0.9) -> tf.Operation:
        return self._apply(
            lambda rate: v1.train.MomentumOptimizer(rate, momentum, use_nesterov=True),
            self._gradients(self.model.loss),
        )


class AdamOptimizer(Optimizer):
    """Adam: Kingma & Ba 2015. Weight decay is part of the loss, so Adam scales it like every gradient."""

    def _optimize_op(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> tf.Operation:
        return self._apply(
            lambda rate: v1.train.AdamOptimizer(rate, beta1, beta2, epsilon), self._gradients(self.model.loss)
        )


class AdamWOptimizer(Optimizer):
    """Adam with decoupled weight decay: Loshchilov & Hutter 2019, algorithm 2.

    Each update subtracts learning_rate * weight_decay times the variable from every decayed variable, with the
    model's own `weight_decay`. Deviation: the paper's schedule multiplier eta and rate alpha are one learning rate.
    """

    def _optimize_op(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> tf.Operation:
        rate, factors = self.learning_rate_placeholder, rate_factors(self.model, self.config.optimizer)
        pairs = self._gradients(self.model.loss, weight_decay=False)
        with tf.control_dependencies([gradient for gradient, _ in pairs]):
            decays = [
                v.assign_sub(scaled(rate, factors[v.op.name]) * self.model.weight_decay * v)
                for v in self.model.decayed_variables
            ]
        with tf.control_dependencies(decays):
            return self._apply(lambda rate: v1.train.AdamOptimizer(rate, beta1, beta2, epsilon), pairs)


class RMSPropOptimizer(Optimizer):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5) with momentum."""

    def _optimize_op(
        self, rmsprop_decay: float = 0.9, momentum: float = 0.9, epsilon: float = 1e-8
    ) -> tf.Operation:
        return self._apply(
            lambda rate: v1.train.RMSPropOptimizer(rate, rmsprop_decay, momentum, epsilon),
            self._gradients(self.model.loss),
        )


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "momentum": MomentumOptimizer,
    "nesterov": NesterovOptimizer,
    "adam": AdamOptimizer,
    "adamw": AdamWOptimizer,
    "rmsprop": RMSPropOptimizer,
}
