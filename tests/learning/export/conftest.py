"""A tiny run, trained once for all tests of exports."""

import pytest

from learning.config.run_config import DataConfig, ModelConfig, OptimizerConfig, RunConfig, TrainConfig
from learning.export.exporting import export_run
from learning.fit import build_training
from learning.machine.session import open_session
from learning.runs.data import open_data, run_info
from learning.runs.directory import RunDirectory


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """The folder of a run of four epochs on the digits, with dropout and ten different crops."""
    config = RunConfig(
        data=DataConfig(name="digits", image_size=12, crop_size=10, channels=1, test_fraction=0.15),
        model=ModelConfig(name="smallnet", options={"width": 4, "dropout_prob": 0.2}),
        optimizer=OptimizerConfig(name="nesterov", init_learning_rate=0.05),
        train=TrainConfig(batch_size=64, num_epochs=4, augment_pred=False),
    )
    splits = open_data(config)
    optimizer = build_training(config, splits)
    path = tmp_path_factory.mktemp("export") / "run"
    RunDirectory.create(path, config, run_info(splits, (10, 10, 1)))
    with open_session(optimizer.model, 1) as sess:
        optimizer.train(sess, path, verbose=False)
    return path


@pytest.fixture(scope="session")
def light_exports(digits_run):
    """The run's exports to TFLite and ONNX, where the extra is installed."""
    for name in ("tf2onnx", "onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(name)
    return export_run(RunDirectory(digits_run), ["tflite", "onnx"])
