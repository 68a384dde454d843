"""Log runs to MLflow: by default to a local store, mlflow.db in the working directory, which `mlflow ui` shows.

tracking = MlflowTracking()
tracking.log_results(fit(config, "runs/digits", callbacks=[tracking]))
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datasets.errors import encodable
from datasets.storage.atomic import write_text
from datasets.storage.failures import first_line
from datasets.storage.untrusted import parse_json, read_text
from learning.callbacks import Callback, Training
from learning.errors import CheckpointError, UsageError
from learning.extras import how_to_install
from learning.tracking.options import plain_options

SQLITE = "sqlite:///"  # before the path of a database file
LOCAL_STORE = f"{SQLITE}mlflow.db"
RUN_FILE = "mlflow.json"  # in a run directory: the MLflow run of the run, and where it was logged first
ARTIFACTS = ("config.yaml", "run.json", "history.csv", "learning_curves.png")
PAGE = "index.html"
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
MAX_PARAMETER = 6000  # letters
MAX_RUN_BYTES = 2**16  # of RUN_FILE
NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"  # an error code of MLflow

logger = logging.getLogger(__name__)


class MlflowTracking(Callback):
    """Logs the options, the numbers of every epoch and, at the end, the files of a run.

    A resumed run continues the MLflow run that mlflow.json in its directory names, if the configured store has it.
    The address in that file is shown but never opened, because a run directory may come from a stranger. If MLflow
    fails, a warning says so once and training goes on. MLflow's own reports of its use stay off unless
    MLFLOW_DISABLE_TELEMETRY is set to something else.

    :param experiment: the name that groups runs.
    :param tracking_uri: the store; by default MLFLOW_TRACKING_URI or, without it, LOCAL_STORE.
    :param resumed_dir: the run directory to resume; its MLflow run is then looked up now, not when training starts.
    :raises UsageError: MLflow is not installed or cannot open the store, or the store does not have the MLflow run.
    :raises CheckpointError: mlflow.json is damaged.
    """

    def __init__(
        self,
        experiment: str = "sessionnet",
        tracking_uri: str | None = None,
        resumed_dir: Path | None = None,
    ) -> None:
        self._experiment = experiment
        self._uri = _absolute(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE)
        self._run_id = ""
        self._save_dir: Path | None = None
        self._warned = False
        begun = None if resumed_dir is None else _begun(resumed_dir)
        if begun is not None and _would_be_created(self._uri):
            raise begun.not_in(self._uri)
        self._client = _client(self._uri)
        if begun is not None:
            self._look_up(begun)

    def _look_up(self, begun: "_Begun") -> None:
        """Raise UsageError if the store does not have a run."""
        try:
            self._client.get_run(begun.run_id)
        except Exception as error:  # of any kind of store
            if getattr(error, "error_code", "") == NOT_FOUND:
                raise begun.not_in(self._uri) from error
            self._warn(error)

    def on_start(self, training: Training) -> None:
        begun = _begun(training.save_dir) if training.resumed else None
        if begun is not None and not self._warned:
            self._look_up(begun)
        self._save_dir = training.save_dir
        self._try(lambda: self._begin(training, begun))

    def on_epoch(self, training: Training) -> None:
        row = training.history[-1]
        metrics = {key: value for key, value in row.items() if isinstance(value, float)}
        metrics |= {"images_per_second": training.images_per_second, "epoch_seconds": training.seconds}
        self._try(lambda: self._log_metrics(metrics, int(row["step"])))

    def on_stop(self, training: Training) -> None:
        status = STATUS[training.stopped or "finished"]
        self._try(lambda: self._end(status))

    def log_results(self, results: Mapping[str, Any]) -> None:
        """Log the scores that `fit` returned, as test/NAME, and the page of the run."""
        scores = results["scores"][-1]
        metrics = {f"test/{key}": float(value) for key, value in scores.items() if isinstance(value, float)}
        self._try(lambda: self._log_metrics(metrics, int(results["epoch"])))
        self._try(lambda: self._log_files(PAGE))

    def _begin(self, training: Training, begun: "_Begun | None") -> None:
        """Continue the MLflow run of a resumed run, or create one."""
        if begun is not None:
            self._client.update_run(begun.run_id, status="RUNNING")
            self._run_id = begun.run_id
            return
        found = self._client.get_experiment_by_name(self._experiment)
        experiment = found.experiment_id if found else self._client.create_experiment(self._experiment)
        name = encodable(training.save_dir.name)
        self._run_id = self._client.create_run(experiment, run_name=name).info.run_id
        stored = {"run_id": self._run_id, "tracking_uri": _without_passwords(self._uri)}
        write_text(training.save_dir / RUN_FILE, json.dumps(stored))
        self._client.log_batch(self._run_id, params=_parameters(training.config.as_dict()))

    def _log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._client.log_batch(
            self._run_id, metrics=[Metric(key, value, now, step) for key, value in metrics.items()]
        )

    def _end(self, status: str) -> None:
        self._log_files(*ARTIFACTS)
        self._client.set_terminated(self._run_id, status)

    def _log_files(self, *names: str) -> None:
        for name in names:
            if self._save_dir is not None and (path := self._save_dir / name).is_file():
                self._client.log_artifact(self._run_id, str(path))

    def _try(self, log: Callable[[], None]) -> None:
        """Call `log`, if training has started; a failure is a warning, the first time."""
        try:
            if self._run_id or not (self._warned or self._save_dir is None):
                log()
        except Exception as error:  # of a database, a server or the disk
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            logger.warning("%s; training goes on", _failure("cannot log to", self._uri, error))
        self._warned = True


class _Begun(NamedTuple):
    """The MLflow run of a run directory.

    :ivar tracking_uri: where it was logged first.
    """

    run_dir: Path
    run_id: str
    tracking_uri: str

    def not_in(self, uri: str) -> UsageError:
        """Return the error for a store that does not have this run."""
        what = f"MLflow at {uri} does not have the run of {self.run_dir}, which was logged to {self.tracking_uri}"
        return UsageError(
            f"{_without_passwords(what)}; set MLFLOW_TRACKING_URI to the present address of that store if you "
            f"trust it. To log to a new MLflow run, remove {self.run_dir / RUN_FILE}; to log nothing, give "
            "--train.mlflow false"
        )


def _begun(run_dir: Path) -> _Begun | None:
    """Return the MLflow run of a run directory; None if it was not logged to MLflow."""
    file = run_dir / RUN_FILE
    if not file.is_file():
        return None
    try:
        stored = parse_json(read_text(file, MAX_RUN_BYTES))
        return _Begun(run_dir, str(stored["run_id"]), str(stored["tracking_uri"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{file} is damaged ({first_line(error)}); remove it to log to a new MLflow run"
        ) from error


def _absolute(uri: str) -> str:
    """Return the address of a database file so that it does not depend on the working directory."""
    return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).absolute()}" if uri.startswith(SQLITE) else uri


def _would_be_created(uri: str) -> bool:
    """Return whether an address is that of a database file that does not exist; MLflow creates it."""
    path, _, _ = uri.removeprefix(SQLITE).partition("?")
    return uri.startswith(SQLITE) and not Path(path).exists()


def _parameters(config: Mapping[str, Any]) -> list[Any]:
    """Return the options of a run by their names on the command line, as text."""
    from mlflow.entities import Param

    return [Param(key, str(value)[:MAX_PARAMETER]) for key, value in plain_options(config).items()]


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise UsageError(
            f"MLflow cannot be imported ({error}); {how_to_install('mlflow')}, or give --train.mlflow false"
        ) from error
    try:
        return MlflowClient(tracking_uri=uri)
    except Exception as error:  # of any kind of store
        raise UsageError(
            f"{_failure('cannot use', uri, error)}; set MLFLOW_TRACKING_URI to another address, or give "
            "--train.mlflow false"
        ) from error


def _failure(what: str, uri: str, error: Exception) -> str:
    """Return what MLflow could not do with a store, and why."""
    return _without_passwords(f"MLflow {what} {uri} ({' '.join(str(error).split())[:200]})")


def _without_passwords(text: str) -> str:
    """Return a text without the user names and passwords of the addresses in it."""
    return re.sub(r"(?<=://)[^\s/]*@", "", text)
