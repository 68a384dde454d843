from pathlib import Path

import pytest

from benchmarks.harness.turns import PROJECT
from benchmarks.speed import epoch
from learning.optimizers import Optimizer
from tests.benchmarks.speed.conftest import HAS_TORCH, left_out


@pytest.mark.bfloat16
def test_an_epoch_has_all_images_and_ends_with_a_checkpoint(quick, monkeypatch):
    seen, train = [], Optimizer.train

    def noting(optimizer, sess, run, **options):
        train(optimizer, sess, run, **options)
        steps = [path.name for path in Path(run).glob("checkpoints/step-*")]
        seen.append((optimizer.train_set.num_examples, steps))

    monkeypatch.setattr(Optimizer, "train", noting)
    (found,) = quick(epoch.main)["recipes"].values()
    torch = {"torch", "torch, batches ahead"} if HAS_TORCH else set()
    assert set(found["images_per_second"]) == {PROJECT, epoch.BARE} | torch
    assert not left_out(found)
    assert found["num_images"] == 16
    assert seen
    assert all(images == 16 and names == ["step-00000002"] for images, names in seen)
