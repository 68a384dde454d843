"""learning/tracking/mlflow.py: what MLflow's local store holds of a run."""

import json
import shutil
import sys
from unittest.mock import MagicMock

import pytest

pytest.importorskip("mlflow.tracking")
pytest.importorskip("sqlalchemy")

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from learning.callbacks import Callback
from learning.config.run_config import RunConfig
from learning.errors import CheckpointError, UsageError
from learning.fit import fit
from learning.tracking import mlflow
from learning.tracking.mlflow import RUN_FILE, MlflowTracking
from tests.support.tiny_training import train

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its database
VALUES = {
    "data": {"name": "digits", "image_size": 12, "crop_size": 10},
    "model": {"name": "smallnet", "options": {"width": 2}},
    "train": {"batch_size": 512, "num_epochs": 2, "threads": 1, "mlflow": True},
}


def logged(database):
    """The runs in a store, and the numbers of each metric."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
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


def test_a_resumed_run_is_one_run_also_in_a_store_that_moved(here, monkeypatch, without_pictures):
    config = RunConfig.from_dict(VALUES)
    with pytest.raises(KeyError):
        fit(config, here / "a run", verbose=False, callbacks=[Stop()])
    assert logged(here / "mlflow.db")[0][0].info.status == "FAILED"
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(UsageError, match=f"logged to sqlite:///{here}/mlflow.db; set MLFLOW_TRACKING_URI"):
        fit(config, here / "a run", resume=True, verbose=False)
    moved = shutil.copy(here / "mlflow.db", here / "moved.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///../moved.db")
    results = fit(config, here / "a run", resume=True, verbose=False)
    [run], [histories], [files] = logged(moved)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a run")
    assert run.data.params["train.batch_size"] == "512"
    assert [point.step for point in histories["val_loss"]] == [2, 4]
    assert run.data.metrics["test/accuracy"] == results["scores"][-1]["accuracy"]
    assert {"config.yaml", "history.csv", "index.html"} <= files
    assert not list(elsewhere.iterdir())


class Recording:
    """A client that notes its calls, of a store that has one run or none."""

    def __init__(self, run_id):
        self.run_id, self.called = run_id, []

    def get_run(self, run_id):
        if run_id != self.run_id:
            raise MlflowException("no such run", error_code=RESOURCE_DOES_NOT_EXIST)

    def __getattr__(self, name):
        return lambda *arguments, **options: self.called.append((name, *arguments))


def is_of_colleague(uri):
    return uri.rpartition("/")[2].startswith("colleague.")


@pytest.fixture
def clients(monkeypatch):
    """The addresses that are opened, with a client for each; the store of the colleague has the run 7."""
    opened = {}

    def client(uri):
        return opened.setdefault(uri, Recording("7" if is_of_colleague(uri) else None))

    monkeypatch.setattr(mlflow, "_client", client)
    return opened


def begun(folder, uri):
    (folder / RUN_FILE).write_text(json.dumps({"run_id": "7", "tracking_uri": uri}))


@pytest.mark.fault(42)
@pytest.mark.parametrize("theirs", ["https://colleague.example", "sqlite:///colleague.db"])
def test_a_resume_opens_no_address_of_a_run_directory(here, clients, session, monkeypatch, theirs):
    train(session, here, num_epochs=1)
    begun(here, theirs)
    (here / "colleague.db").touch()
    for address in ("", "https://mine.example"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        refusal = (
            f"does not have the run of {here}, which was logged to {theirs}; .* if you trust it. .* false$"
        )
        with pytest.raises(UsageError, match=refusal):
            MlflowTracking(resumed_dir=here)
        with pytest.raises(UsageError, match=refusal):
            train(session, here, num_epochs=2, resume=True, callbacks=[MlflowTracking()])
    assert not any(is_of_colleague(uri) or client.called for uri, client in clients.items())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", theirs)
    train(session, here, num_epochs=2, resume=True, callbacks=[MlflowTracking()])
    assert ("set_terminated", "7", "FINISHED") in list(clients.values())[-1].called


def test_a_refused_resume_creates_no_database(here, clients):
    begun(here, "sqlite:////old/place/mlflow.db")
    with pytest.raises(UsageError, match=f"MLflow at sqlite:///{here}/mlflow.db does not have the run"):
        MlflowTracking(resumed_dir=here)
    assert clients == {}


@pytest.mark.fault(42)
def test_passwords_are_neither_kept_nor_shown(here, session, caplog, monkeypatch):
    client = MagicMock()
    client.create_run.return_value.info.run_id = "7"
    client.log_batch.side_effect = RuntimeError("http://me:secret@mine.example is full")
    client.get_run.side_effect = MlflowException("no such run", error_code=RESOURCE_DOES_NOT_EXIST)
    monkeypatch.setattr(mlflow, "_client", lambda uri: client)
    train(
        session, here, num_epochs=1, callbacks=[MlflowTracking(tracking_uri="http://me:secret@mine.example")]
    )
    assert "MLflow cannot log to http://mine.example (http://mine.example is full)" in caplog.text
    assert json.loads((here / RUN_FILE).read_text())["tracking_uri"] == "http://mine.example"
    begun(here, "http://me:secret@mine.example")  # of an earlier version
    with pytest.raises(UsageError, match="at http://other.example .* logged to http://mine.example;"):
        MlflowTracking(tracking_uri="http://me:secret@other.example", resumed_dir=here)


@pytest.mark.parametrize("text", ["{", "[]", '{"run_id": "7"}', "\x00"])
def test_a_damaged_file_is_named(here, clients, text):
    (here / RUN_FILE).write_text(text)
    with pytest.raises(
        CheckpointError, match=f"{RUN_FILE} is damaged .*; remove it to log to a new MLflow run"
    ):
        MlflowTracking(resumed_dir=here)


class Failing:
    """A client of a store that is full."""

    def __getattr__(self, name):
        raise RuntimeError("no space left")


def test_a_store_that_fails_is_said_once_and_training_goes_on(session, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(mlflow, "_client", lambda uri: Failing())
    train(session, tmp_path, num_epochs=2, callbacks=[MlflowTracking(tracking_uri="http://full.example")])
    expected = "MLflow cannot log to http://full.example (no space left); training goes on"
    assert caplog.text.count("MLflow cannot log") == caplog.text.count(expected) == 1
    begun(tmp_path, "http://full.example")
    tracking = MlflowTracking(tracking_uri="http://full.example", resumed_dir=tmp_path)
    train(session, tmp_path, num_epochs=3, resume=True, callbacks=[tracking])
    assert caplog.text.count("MLflow cannot log") == caplog.text.count(expected) == 2


def test_a_store_that_cannot_be_opened():
    with pytest.raises(UsageError, match="MLflow cannot use nonsense://here .*; set MLFLOW_TRACKING_URI"):
        MlflowTracking(tracking_uri="nonsense://here")


def test_without_mlflow_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(UsageError, match=r"install with pip install -e '.\[mlflow\]'"):
        fit(RunConfig.from_dict(VALUES), tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()
