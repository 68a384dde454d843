"""Write the network of a run for torchvision or Keras, or its weights as arrays.

    python -m learning.export.weights RUN --to torchvision cats.pth

`models.weights.export` says which networks other libraries have.
"""

import os

from datasets.storage.paths import expanded
from learning.runs.directory import RunDirectory
from learning.terminal.command import ScriptParser, announce, run_script
from models.weights.writing import TARGETS, check_target


def export_run_weights(run: RunDirectory, target: str, path: str | os.PathLike[str]) -> dict[str, str]:
    """Write the selected weights of a run: see `models.weights.export.export_weights`."""
    import learning.machine.session  # noqa: F401  (imports TensorFlow quietly)
    from models.weights.export import Network, export_weights

    model = run.config.model
    network = Network(model.name, dict(model.options), run.input_shape, run.class_names)
    return export_weights(network, run.path, target, path)


def main() -> None:
    """Parse, write the file, and print what its user must know."""
    parser = ScriptParser(prog="python -m learning.export.weights", description=str(__doc__).splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="a run or published directory")
    parser.add_argument(
        "--to",
        required=True,
        choices=TARGETS,
        help="the library whose network loads the file, or a format with the names of this project",
    )
    parser.add_argument(
        "file",
        type=expanded,
        metavar="FILE",
        help="the file to make: .pth, .pt or .safetensors for torchvision, .h5 or .weights.h5 for keras",
    )
    arguments = parser.parse_args()
    run, path = RunDirectory(arguments.run), arguments.file
    check_target(path, arguments.to)
    announce("starting TensorFlow ...")
    metadata = export_run_weights(run, arguments.to, path)
    about = [f"{key}: {value}" for key, value in metadata.items()]
    print("\n".join([f"{path}: {path.stat().st_size:,} bytes", *about]))


if __name__ == "__main__":
    run_script(main)
