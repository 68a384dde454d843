"""Network architectures as explicit TensorFlow graphs; `models.nn` is the public face."""
