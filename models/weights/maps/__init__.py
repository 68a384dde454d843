"""How other programs name, lay out and preprocess for the networks of `models`: one source in each module."""
