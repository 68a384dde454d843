"""The models by name. Imports TensorFlow only for a class, so that a misspelt name is found at once."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.options import reject_unknown, suggestion

if TYPE_CHECKING:
    from models.convnet import ConvNet

MODELS = {
    "alexnet": "models.alexnet.AlexNet",
    "resnet": "models.resnet.ResNet",
    "resnet18": "models.resnet.ResNet18",
    "resnet34": "models.resnet.ResNet34",
    "resnet50": "models.resnet.ResNet50",
    "resnet101": "models.resnet.ResNet101",
    "resnet152": "models.resnet.ResNet152",
    "resnet20": "models.resnet.ResNet20",
    "resnet32": "models.resnet.ResNet32",
    "resnet44": "models.resnet.ResNet44",
    "resnet56": "models.resnet.ResNet56",
    "resnet110": "models.resnet.ResNet110",
    "mini-resnet": "models.resnet.MiniResNet",
    "smallnet": "models.smallnet.SmallNet",
}


def model_path(name: str) -> str:
    """The dotted path of a catalogue name, or `name` itself where it is one (`my_nets.MyNet`)."""
    if name in MODELS:
        return MODELS[name]
    module_name, _, class_name = name.rpartition(".")
    if module_name and class_name:
        if _can_be_found(module_name):
            return name
        raise ValueError(
            f"no module {module_name} for the model {name!r}: there is no {module_name.split('.')[0]}.py in "
            f"{Path.cwd()}; call the script from where it lies, or correct the name"
        )
    raise ValueError(
        f"unknown model {name!r}; {suggestion(name, MODELS)} "
        "(your own: --model.name my_module.MyNet, a ConvNet subclass in ./my_module.py)"
    )


def _can_be_found(module_name: str) -> bool:
    """Whether the module exists; the working directory is searched too."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return importlib.util.find_spec(module_name) is not None
    except (ImportError, ValueError):
        return False


def model_class(name: str) -> type[ConvNet]:
    """Import the class of a catalogue name or dotted path, and TensorFlow; ValueError where there is none."""
    module_name, _, class_name = model_path(name).rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except SyntaxError as error:
        raise ValueError(f"{error.filename}, line {error.lineno}: {error.msg}; correct it") from error
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{module_name} needs the module {error.name}; install it, or correct the import"
        ) from error
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"the model {name!r} cannot be imported: {error}; "
            "give MODULE.CLASS of a ConvNet subclass, with MODULE.py in the working directory"
        ) from error
    from models.convnet import ConvNet

    if not (isinstance(found, type) and issubclass(found, ConvNet)):
        raise ValueError(f"{name!r} is no ConvNet subclass; give MODULE.CLASS of one")
    return found


def check_options(network: type[ConvNet], options: Mapping[str, Any]) -> None:
    """TypeError, with a suggestion, for an option that neither the builders nor a constructor of its own names."""
    constructor = inspect.signature(network.__init__).parameters
    options = {key: value for key, value in options.items() if key not in constructor}
    builders = network._build_model, network._build_loss
    reject_unknown(options, network.__name__, *builders, passed_over=frozenset())
