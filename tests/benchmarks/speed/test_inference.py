import numpy as np
import pytest

from benchmarks.harness import hardware
from benchmarks.harness.made_images import noise
from benchmarks.harness.nets import NETS
from benchmarks.harness.turns import PROJECT
from benchmarks.speed import inference
from datasets.dataset import DataSet
from tests.benchmarks.speed.conftest import PEERS, left_out


@pytest.mark.bfloat16
@pytest.mark.parametrize("net", ["resnet50", pytest.param("alexnet", marks=pytest.mark.long)])
def test_inference(net, quick):
    nets = quick(inference.main, net)["nets"]
    single = nets[net]["float32"]
    names = {f"{peer} float32" for peer in PEERS}
    assert set(single["images_per_second"]) == {PROJECT} | names
    assert not left_out(single)
    assert single["best_peer"] in names
    if hardware.emulation():
        assert set(nets[net]) == {"float32"}
        return
    half = nets[net]["bfloat16"]
    halves = {f"{peer} bfloat16" for peer in PEERS}
    assert set(half["images_per_second"]) == {PROJECT, single["best_peer"]} | halves
    assert not left_out(half)


def test_the_images_of_a_prediction_are_larger_than_its_windows():
    case = NETS["alexnet"]._replace(batch_size=inference.BATCH_SIZE)
    assert inference.images_of(case).shape == (16, 256, 256, 3)
    assert inference.images_of(NETS["resnet50"].quick()).shape == (4, 37, 37, 3)


def test_the_ten_windows_of_the_peers_are_the_projects():
    images = noise(2, 9)
    crops = inference.ten_crops(images, 6, lambda crop: crop[:, :, ::-1])
    dataset = DataSet(images, crop_size=6)
    np.testing.assert_array_equal(np.stack(crops, axis=1), dataset.batch([0, 1], augment=True)[0])
