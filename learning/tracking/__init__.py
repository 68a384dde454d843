"""Show a run to people: its page while it trains, how well it fits, TensorBoard, MLflow."""
