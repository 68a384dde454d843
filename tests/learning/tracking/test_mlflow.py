"""learning/tracking/mlflow.py: what MLflow's local store holds of a run."""

import sys

import pytest

pytest.importorskip("mlflow.tracking")
pytest.importorskip("sqlalchemy")

from learning.callbacks import Callback
from learning.config.run_config import RunConfig
from learning.errors import UsageError
from learning.fit import fit
from learning.tracking import mlflow
from learning.tracking.mlflow import MlflowTracking
from tests.support.tiny_training import train

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its database
VALUES = {
    "data": {"name": "digits", "image_size": 12, "crop_size": 10},
    "model": {"name": "smallnet", "options": {"width": 2}},
    "train": {"batch_size": 512, "num_epochs": 2, "threads": 1, "mlflow": True},
}


def logged(folder):
    """The runs in a store, and the numbers of each metric."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sessionnet")
    runs = client.search_runs([experiment.experiment_id])
    histories = [
        {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics} for run in runs
    ]
    files = [{file.path for file in client.list_artifacts(run.info.run_id)} for run in runs]
    return runs, histories, files


class Stop(Callback):
    """Ends training after the first epoch."""

    def on_epoch(self, training):
        raise KeyError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_a_resumed_run_is_one_run_where_it_was_begun(here, monkeypatch, without_pictures):
    config = RunConfig.from_dict(VALUES)
    with pytest.raises(KeyError):
        fit(config, here / "a run", verbose=False, callbacks=[Stop()])
    assert logged(here)[0][0].info.status == "FAILED"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    results = fit(config, here / "a run", resume=True, verbose=False)
    [run], [histories], [files] = logged(here)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a run")
    assert run.data.params["train.batch_size"] == "512"
    assert [point.step for point in histories["val_loss"]] == [2, 4]
    assert run.data.metrics["test/accuracy"] == results["scores"][-1]["accuracy"]
    assert {"config.yaml", "history.csv", "index.html"} <= files


class Failing:
    """A client of a store that is full."""

    def __getattr__(self, name):
        raise RuntimeError("no space left")


def test_a_store_that_fails_is_said_once_and_training_goes_on(session, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(mlflow, "_client", lambda uri: Failing())
    train(session, tmp_path, num_epochs=2, callbacks=[MlflowTracking(tracking_uri="sqlite:///full.db")])
    expected = "MLflow cannot log to sqlite:///full.db (no space left); training goes on"
    assert caplog.text.count("MLflow cannot log") == caplog.text.count(expected) == 1


def test_a_store_that_cannot_be_opened():
    with pytest.raises(UsageError, match="MLflow cannot use nonsense://here .*; set MLFLOW_TRACKING_URI"):
        MlflowTracking(tracking_uri="nonsense://here")


def test_without_mlflow_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(UsageError, match=r"install it with pip install 'sessionnet\[mlflow\]'"):
        fit(RunConfig.from_dict(VALUES), tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()
