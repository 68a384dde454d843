"""`python -m datasets.check`: look at images before training."""
