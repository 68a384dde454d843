"""learning/tracking/mlflow.py: what MLflow's local store holds of a run."""

import json
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("mlflow.tracking")
pytest.importorskip("sqlalchemy")

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
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    results = fit(config, here / "a run", resume=True, verbose=False)
    [run], [histories], [files] = logged(here)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a run")
    assert run.data.params["train.batch_size"] == "512"
    assert [point.step for point in histories["val_loss"]] == [2, 4]
    assert run.data.metrics["test/accuracy"] == results["scores"][-1]["accuracy"]
    assert {"config.yaml", "history.csv", "index.html"} <= files
    assert not list(elsewhere.iterdir())


class Recording:
    """A client that notes its calls, and has a run whose files go to a place."""

    def __init__(self, place):
        self.place, self.called = place, []

    def get_run(self, run_id):
        return SimpleNamespace(info=SimpleNamespace(artifact_uri=self.place))

    def __getattr__(self, name):
        return lambda *arguments, **options: self.called.append((name, *arguments))


@pytest.fixture
def clients(monkeypatch):
    """The addresses that are opened, with a client for each."""
    opened, places = {}, {}

    def client(uri):
        return opened.setdefault(uri, Recording(places.get(uri, "/artifacts")))

    monkeypatch.setattr(mlflow, "_client", client)
    return SimpleNamespace(opened=opened, places=places)


def begun(folder, uri):
    (folder / RUN_FILE).write_text(json.dumps({"run_id": "7", "tracking_uri": uri}))


def test_a_resume_follows_no_address_of_another_server(here, clients, session, monkeypatch):
    train(session, here, num_epochs=1)
    begun(here, "https://stranger.example")
    for address in ("sqlite:///mine.db", "https://mine.example", "http://stranger.example"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(UsageError, match="at https://stranger.example, .* set MLFLOW_TRACKING_URI to it"):
            MlflowTracking(resumed_dir=here)
        with pytest.raises(UsageError, match="is not the configured address"):
            train(session, here, num_epochs=2, resume=True, callbacks=[MlflowTracking()])
    assert "https://stranger.example" not in clients.opened
    assert not any(client.called for client in clients.opened.values())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://stranger.example")
    train(session, here, num_epochs=2, resume=True, callbacks=[MlflowTracking()])
    assert ("set_terminated", "7", "FINISHED") in clients.opened["https://stranger.example"].called


def test_a_database_in_a_run_directory_sends_no_files_to_a_server(here, clients, session, caplog):
    train(session, here, num_epochs=1)
    uri = f"sqlite:///{here / 'theirs.db'}"
    begun(here, uri)
    (here / "theirs.db").touch()
    clients.places[uri] = "https://stranger.example/files"
    train(session, here, num_epochs=2, resume=True, callbacks=[MlflowTracking()])
    assert clients.opened[uri].called == []
    assert caplog.text.count("the files of the run would go to https://stranger.example/files; set") == 1


def test_a_database_that_moved_with_its_run_is_the_configured_one(here, clients):
    begun(here, "sqlite:////old/place/mlflow.db")
    MlflowTracking(resumed_dir=here)
    assert list(clients.opened) == [f"sqlite:///{here / 'mlflow.db'}"]


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


def test_a_store_that_cannot_be_opened():
    with pytest.raises(UsageError, match="MLflow cannot use nonsense://here .*; set MLFLOW_TRACKING_URI"):
        MlflowTracking(tracking_uri="nonsense://here")


def test_without_mlflow_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(UsageError, match=r"install with pip install -e '.\[mlflow\]'"):
        fit(RunConfig.from_dict(VALUES), tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()
