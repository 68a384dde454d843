"""The same networks in other libraries, and the hyperparameters that all contestants share."""

LEARNING_RATE = 1e-3  # the speed does not depend on it, but the loss must stay finite
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4  # on everything that is trained
MEAN = 0.5  # of the made pixels in [0, 1], which all contestants subtract
