"""A network with the weights that its package brings, used like a published run."""

import difflib
import os
from pathlib import Path

from learning.config.options import DataConfig, ModelConfig
from learning.config.run_config import RunConfig
from learning.errors import CheckpointError
from learning.runs.directory import RunDirectory, newest_run
from models.weights.packaged import PACKAGES, imagenet_classes, is_packaged, packaged_file


class PackagedRun(RunDirectory):
    """The ImageNet classifier of a name in `PACKAGES`; there is no folder.

    Crops are cut and scaled as in the evaluation of the published weights: the middle of the image, `side` of the
    `image_side` pixels that its shorter side is scaled to (224 of 256 for efficientnet-lite0).
    """

    def __init__(self, name: str) -> None:
        package = PACKAGES[name]
        self.path = Path(name)
        data = DataConfig(name="folder", image_size=package.image_side, crop_size=package.side, resize="crop")
        self.config = RunConfig(recipe=name, data=data, model=ModelConfig(name=name, init=name))
        self.class_names = imagenet_classes()
        self.input_shape = (package.side, package.side, 3)
        self.num_images = {}
        self.info = {"published": True, "class_names": self.class_names, "input_shape": self.input_shape}


def open_run(path: str | os.PathLike[str]) -> RunDirectory:
    """Open a run directory, or the network of a name whose package brings its weights.

    :raises CheckpointError: there is no such run.
    """
    name = os.fspath(path)
    if is_packaged(name):
        return PackagedRun(name)
    near = difflib.get_close_matches(name, PACKAGES, n=1, cutoff=0.8)
    if near and not Path(name).exists():
        raise CheckpointError(f"{name} does not exist; did you mean {near[0]}?")
    return RunDirectory(name)


def open_with_weights(path: str | None) -> RunDirectory:
    """Open a run as `open_run` does, or the newest one under runs/; if a package brings its weights, check that.

    :raises WeightsError: the package is not installed, or its file is not the published one.
    """
    run = open_run(path or newest_run())
    if isinstance(run, PackagedRun):
        packaged_file(run.config.model.name)
    return run
