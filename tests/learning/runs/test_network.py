"""learning/runs/network.py: the configured network, and the options that it refuses."""

import pytest

from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import UsageError
from learning.runs.network import build_model, check_new_model


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout_prob": 0.5}, "unknown option 'dropout_prob'; known are"),  # AlexNet's
        ({"momentum": 0.5}, "unknown option 'momentum'"),  # the optimizer's
        ({"shortcutt": "A"}, "unknown option 'shortcutt'; did you mean 'shortcut'"),
        ({"weight_decay": 0.1}, "give weight_decay as --model.weight_decay, not in model.options"),
    ],
)
def test_an_option_that_the_network_does_not_take_is_refused(options, message):
    with pytest.raises(UsageError, match=f"model resnet20: .*{message}"):
        check_new_model(ModelConfig(name="resnet20", options=options))


def test_a_run_of_an_earlier_version_that_holds_such_an_option_is_still_built():
    config = RunConfig(model=ModelConfig(name="smallnet", options={"momentum": 0.5, "weight_decay": 0.25}))
    assert build_model(config, (28, 28, 1), 2).weight_decay == 0.25


def test_a_loss_that_does_not_smooth_labels_is_refused(tmp_path, monkeypatch):
    (tmp_path / "lossy_nets.py").write_text(
        "from models.nn import SmallNet\n"
        "class Lossy(SmallNet):\n"
        "    def _build_loss(self, weight_decay=0.0):\n"
        "        return super()._build_loss(weight_decay)\n"
    )
    monkeypatch.chdir(tmp_path)
    smoothed = ModelConfig(name="smallnet", label_smoothing=0.1)
    assert build_model(RunConfig(model=smoothed), (28, 28, 1), 2).options["label_smoothing"] == 0.1
    config = RunConfig(model=ModelConfig(name="lossy_nets.Lossy", label_smoothing=0.1))
    with pytest.raises(
        UsageError, match=r"_build_loss takes no label_smoothing; leave out --model\.label_smoo"
    ):
        build_model(config, (28, 28, 1), 2)
    build_model(RunConfig(model=ModelConfig(name="lossy_nets.Lossy")), (28, 28, 1), 2)


def test_a_net_can_take_its_options_in_a_constructor_or_as_keywords(tmp_path, monkeypatch):
    (tmp_path / "nets_of_mine.py").write_text(
        "from models.nn import ConvNet\n"
        "class Constructed(ConvNet):\n"
        "    def __init__(self, shape, num_classes, *, width=1, **hp):\n"
        "        super().__init__(shape, num_classes, **hp)\n"
        "    def _build_model(self, depth=1):\n"
        "        return {}\n"
        "class Open(ConvNet):\n"
        "    def _build_model(self, **kwargs):\n"
        "        return {}\n"
    )
    monkeypatch.chdir(tmp_path)
    check_new_model(ModelConfig(name="nets_of_mine.Constructed", options={"width": 2}))
    check_new_model(ModelConfig(name="nets_of_mine.Open", options={"anything": 2}))
    with pytest.raises(UsageError, match="unknown option 'dept'; did you mean 'depth'"):
        check_new_model(ModelConfig(name="nets_of_mine.Constructed", options={"dept": 2}))


def test_an_error_in_a_users_own_module_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn_nets.py").write_text("class MyNet(:\n")
    (tmp_path / "needy_nets.py").write_text("import nothing_of_the_kind\n")
    for name, message in (
        ("torn_nets.MyNet", "torn_nets.py, line 1: invalid syntax; correct it"),
        ("needy_nets.MyNet", "needy_nets needs the module nothing_of_the_kind; install it"),
    ):
        with pytest.raises(UsageError, match=message):
            check_new_model(ModelConfig(name=name))
