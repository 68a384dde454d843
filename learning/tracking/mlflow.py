"""Log runs to MLflow: by default to a local store, mlflow.db in the working directory, which `mlflow ui` shows.

tracking = MlflowTracking()
tracking.log_results(fit(config, "runs/digits", callbacks=[tracking]))
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasets.errors import encodable
from datasets.storage.atomic import write_text
from datasets.storage.untrusted import parse_json, read_text
from learning.callbacks import Callback, Training
from learning.errors import UsageError
from learning.extras import how_to_install
from learning.tracking.options import plain_options

LOCAL_STORE = "sqlite:///mlflow.db"
RUN_FILE = "mlflow.json"  # in a run directory: where a resumed run goes on
ARTIFACTS = ("config.yaml", "run.json", "history.csv", "learning_curves.png")
PAGE = "index.html"
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
MAX_PARAMETER = 6000  # letters
MAX_RUN_BYTES = 2**16  # of RUN_FILE

logger = logging.getLogger(__name__)


class MlflowTracking(Callback):
    """Logs the options, the numbers of every epoch and, at the end, the files of a run.

    A resumed run continues in the same MLflow store, whose address is in mlflow.json in the run directory. If
    MLflow fails, a warning says so once and training goes on. MLflow's own reports of its use stay off unless
    MLFLOW_DISABLE_TELEMETRY is set to something else.

    :param experiment: the name that groups runs.
    :param tracking_uri: where MLflow keeps runs, a resumed one too; by default MLFLOW_TRACKING_URI or, without it,
        LOCAL_STORE.
    :raises UsageError: MLflow is not installed, or cannot open the store.
    """

    def __init__(self, experiment: str = "sessionnet", tracking_uri: str | None = None) -> None:
        self._experiment = experiment
        self._is_given = tracking_uri is not None
        self._use(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE)
        self._run_id = ""
        self._save_dir: Path | None = None
        self._warned = False

    def _use(self, uri: str) -> None:
        self._uri, self._client = uri, _client(uri)

    def on_start(self, training: Training) -> None:
        self._save_dir = training.save_dir
        self._try(lambda: self._begin(training))

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

    def _begin(self, training: Training) -> None:
        """Continue the run of a resumed run directory, or create one."""
        file = training.save_dir / RUN_FILE
        if training.resumed and file.is_file():
            stored = parse_json(read_text(file, MAX_RUN_BYTES))
            if not self._is_given and (uri := str(stored["tracking_uri"])) != self._uri:
                self._use(uri)
                training.say(f"mlflow {uri}, where the run was begun")
            self._run_id = str(stored["run_id"])
            self._client.update_run(self._run_id, status="RUNNING")
            return
        found = self._client.get_experiment_by_name(self._experiment)
        experiment = found.experiment_id if found else self._client.create_experiment(self._experiment)
        name = encodable(training.save_dir.name)
        self._run_id = self._client.create_run(experiment, run_name=name).info.run_id
        write_text(file, json.dumps({"run_id": self._run_id, "tracking_uri": self._uri}))
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
        """Call `log`; a failure is a warning, the first time."""
        try:
            if self._run_id or not self._warned:
                log()
        except Exception as error:  # of a database, a server or the disk
            if not self._warned:
                reason = " ".join(str(error).split())
                logger.warning("MLflow cannot log to %s (%s); training goes on", self._uri, reason[:200])
            self._warned = True


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
            f"MLflow cannot be imported ({error}); {how_to_install('mlflow')}, or leave out --train.mlflow"
        ) from error
    try:
        return MlflowClient(tracking_uri=uri)
    except Exception as error:  # of any kind of store
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"MLflow cannot use {uri} ({reason}); set MLFLOW_TRACKING_URI to another") from error
