"""The models by name, in one literal table. Only loading a class imports TensorFlow: a wrong name fails fast."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from models.options import reject_unknown, suggestion

if TYPE_CHECKING:
    from models.convnet import ConvNet


class ModelEntry(NamedTuple):
    """A model of the catalogue, and the images that it was designed for."""

    path: str  # dotted, of its class
    input_shape: tuple[int, int, int] = (224, 224, 3)  # (H, W, C), by default ImageNet's
    num_classes: int = 1000


MODELS: dict[str, ModelEntry] = {
    "alexnet": ModelEntry("models.alexnet.AlexNet", (227, 227, 3)),
    "resnet": ModelEntry("models.resnet.ResNet"),
    "resnet18": ModelEntry("models.resnet.ResNet18"),
    "resnet34": ModelEntry("models.resnet.ResNet34"),
    "resnet50": ModelEntry("models.resnet.ResNet50"),
    "resnet101": ModelEntry("models.resnet.ResNet101"),
    "resnet152": ModelEntry("models.resnet.ResNet152"),
    "resnet20": ModelEntry("models.resnet.ResNet20", (32, 32, 3), 10),
    "resnet32": ModelEntry("models.resnet.ResNet32", (32, 32, 3), 10),
    "resnet44": ModelEntry("models.resnet.ResNet44", (32, 32, 3), 10),
    "resnet56": ModelEntry("models.resnet.ResNet56", (32, 32, 3), 10),
    "resnet110": ModelEntry("models.resnet.ResNet110", (32, 32, 3), 10),
    "mini-resnet": ModelEntry("models.resnet.MiniResNet", (28, 28, 1), 10),
    "efficientnet-lite0": ModelEntry("models.efficientnet.EfficientNetLite0"),
    "efficientnet-lite1": ModelEntry("models.efficientnet.EfficientNetLite1", (240, 240, 3)),
    "efficientnet-lite2": ModelEntry("models.efficientnet.EfficientNetLite2", (260, 260, 3)),
    "smallnet": ModelEntry("models.smallnet.SmallNet", (28, 28, 1), 10),
}


def dotted_path(name: str) -> str:
    """Return the dotted path of a catalogue name; any other name is taken to be a dotted path."""
    return MODELS[name].path if name in MODELS else name


def model_path(name: str) -> str:
    """Return the dotted path of a catalogue name, or `name` itself if it is one (`my_nets.MyNet`).

    :raises ValueError: `name` is neither.
    """
    if name in MODELS:
        return MODELS[name].path
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
    """Return whether the module exists; the working directory is searched too."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return importlib.util.find_spec(module_name) is not None
    except (ImportError, ValueError):
        return False


def model_class(name: str) -> type[ConvNet]:
    """Import TensorFlow and the class of a catalogue name or dotted path.

    :raises ValueError: the class cannot be imported, or is not a ConvNet subclass.
    """
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
        raise ValueError(f"{name!r} is not a ConvNet subclass; give MODULE.CLASS of one")
    return found


def check_options(network: type[ConvNet], options: Mapping[str, Any]) -> None:
    """Raise TypeError, with a suggestion, for an option that no builder and no constructor of `network` names."""
    constructor = inspect.signature(network.__init__).parameters
    options = {key: value for key, value in options.items() if key not in constructor}
    builders = network._build_model, network._build_loss
    reject_unknown(options, network.__name__, *builders, passed_over=frozenset())
