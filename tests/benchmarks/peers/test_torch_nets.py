import pytest

from tests.conftest import whole_net


@pytest.mark.parametrize("name", ["resnet20", "alexnet", "resnet18", "resnet50"])
def test_torch_nets_have_the_projects_parameters(name):
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_nets import build

    ours = whole_net(name)
    with torch.device("meta"):  # shapes without memory
        peer = build(name, ours.input_shape[0], ours.num_classes)
    assert sum(p.numel() for p in peer.parameters()) == ours.num_parameters


def test_dropout_is_where_the_projects_is():
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_nets import build

    net = build("alexnet", 67, 2, dropout_prob=0.5)
    torch.manual_seed(0)
    images, kept = torch.rand(2, 3, 67, 67), []
    for layer in (net.fc7, net.fc8):
        layer.register_forward_hook(lambda layer, inputs, out: kept.append(inputs[0]))
    net.train()(images)
    net.eval()(images)
    zeros = [(values == 0).float().mean().item() for values in kept]
    assert all(dropped > whole + 0.1 for dropped, whole in zip(zeros[:2], zeros[2:], strict=True))


def test_a_shortcut_is_the_subsampled_input_between_zeros():
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_nets import build

    block = build("resnet20", 32, 10).eval().layer2[0]  # 16 to 32 channels, stride 2
    torch.nn.init.zeros_(block.bn2.weight)  # nothing but the shortcut is left
    x = torch.rand(1, 16, 8, 8)
    out = block(x)
    torch.testing.assert_close(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_updates_lower_the_loss(one_torch_thread, monkeypatch):
    torch = pytest.importorskip("torch")
    from benchmarks.peers import torch_nets

    monkeypatch.setattr(torch_nets, "LEARNING_RATE", 0.05)
    torch.manual_seed(0)
    net = torch_nets.build("resnet20", 16, 10, stages=(1, 1, 1))
    update = torch_nets.training_update(net, "float32", nesterov=True)
    images, classes = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8), torch.arange(8)
    net.train()

    def loss():
        with torch.no_grad():
            pixels = images.permute(0, 3, 1, 2) / 255 - 0.5
            return torch.nn.functional.cross_entropy(net(pixels), classes).item()

    before = loss()
    for _ in range(40):
        update(images, classes)
    assert loss() < before / 2
