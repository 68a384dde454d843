"""Answer requests over HTTP with the weights of a run: `serve.py`."""
