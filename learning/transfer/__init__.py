"""Start a run from published weights: load them, say what was loaded, and fit the last layer to their features."""
