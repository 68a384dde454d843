"""Train a network: the step, the loop, and the callbacks that watch it."""
