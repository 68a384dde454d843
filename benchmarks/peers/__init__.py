"""The same networks in other libraries, and the hyperparameters of all contestants."""

LEARNING_RATE = 1e-3  # does not affect the speed, but the loss must stay finite
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4  # of all trained variables
MEAN = 0.5  # of the generated pixels in [0, 1]; all contestants subtract it
