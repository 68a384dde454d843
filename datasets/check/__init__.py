"""`python -m datasets.check`: check images before training."""
