"""One reader for each format of weights; all give `Entry`s, which `models.weights.files` collects within limits."""
