"""benchmarks/peers/torch_finetuning.py beside the project's library: without dropout both train the same."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import transfer
from benchmarks.harness import project
from models.weights.packaged import PACKAGES
from tests.support.made_sets import write_dark_and_bright

TOY = (*transfer.QUICK, "--train.num_epochs", "3", "--model.options.dropout_prob", "0")


@pytest.mark.parametrize("way", ["head-only", pytest.param("all-layers", marks=pytest.mark.long)])
def test_the_logits_are_those_of_the_library(way, tmp_path, monkeypatch, one_torch_thread):
    pytest.importorskip("torch")
    if importlib.util.find_spec(PACKAGES[transfer.NETWORK].name.replace("-", "_")) is None:
        pytest.skip("the weights are not installed")
    project.graph_mode()
    from benchmarks.peers import torch_finetuning

    monkeypatch.setattr(torch_finetuning, "DROPOUT", 0.0)
    places = (
        "--data-dir",
        str(write_dark_and_bright(tmp_path, 12)),
        "--data.cache_dir",
        str(tmp_path / "cache"),
    )
    words = (*places, *transfer.WAYS[way], *TOY)
    config, splits = project.sized_data(project.recipe_config(words))
    theirs = torch_finetuning.FineTuning(config, splits)
    theirs.train()
    config, splits = project.sized_data(project.recipe_config(words))  # its cursor is at the start
    model, sess, _ = project.fine_tuned(config, splits, Path(tmp_path / "run"))
    with sess:
        ours = model.compute(sess, "logits", splits.val)
    np.testing.assert_allclose(theirs.predict(splits.val), ours, rtol=0, atol=1e-3)
    assert np.abs(ours).max() > 0.01
