"""Name the losses of a run, so that nobody compares curves that cannot be compared."""

from learning.config.run_config import RunConfig

VALIDATION = "validation, cross-entropy"


def training_loss_name(config: RunConfig) -> str:
    """Describe the training loss; the validation loss is the cross-entropy alone."""
    model, train = config.model, config.train
    parts = {
        "weight decay": model.weight_decay > 0,
        "label smoothing": model.label_smoothing > 0,
        "class weights": train.class_weights != "none",
    }
    return " + ".join(["training, cross-entropy", *(name for name, is_there in parts.items() if is_there)])
