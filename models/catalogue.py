"""The models by name. Imports no TensorFlow, so that a misspelt name is found at once."""

import importlib
import sys
from pathlib import Path

from models.hyperparameters import suggestion

MODELS = {
    "alexnet": "models.alexnet.AlexNet",
    "smallnet": "models.smallnet.SmallNet",
}


def model_path(name: str) -> str:
    """The dotted path of a catalogue name, or `name` itself where it is one (`my_nets.MyNet`)."""
    if name in MODELS:
        return MODELS[name]
    if "." in name:
        return name
    raise ValueError(
        f"unknown model {name!r}; {suggestion(name, MODELS)} "
        "(your own: --model.name my_module.MyNet, a ConvNet subclass in ./my_module.py)"
    )


def model_class(name: str) -> type:
    """Import the class of a catalogue name or dotted path; the working directory is searched too."""
    module_name, _, class_name = model_path(name).rpartition(".")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(
            f"the model {name!r} cannot be imported: {error}; "
            "give MODULE.CLASS of a ConvNet subclass, with MODULE.py in the working directory"
        ) from error
