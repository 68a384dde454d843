"""Callbacks that show a run to people: its page, TensorBoard, MLflow."""
