"""Testing and predicting with trained weights."""
