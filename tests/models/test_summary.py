"""models/summary.py: the table against published multiply-adds, and a tiny net by hand."""

import io
import os
import subprocess
import sys

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.layers import batch_norm, conv_layer, fc_layer, global_average_pool, max_pool
from models.nn import AlexNet, ConvNet, ResNet50
from models.summary import LayerRow, format_table, layer_rows, main
from tests.conftest import tiny_model, whole_net


class PoolNet(ConvNet):
    """A layer without variables, a scope within a scope, and a layer that nothing reads."""

    def _build_model(self):
        with v1.variable_scope("body"), v1.variable_scope("conv"):
            x = conv_layer(self.inputs, 3, 2, 5, padding="VALID", biases_value=0.0)
            x = tf.nn.relu(batch_norm(x, self.is_train))
            halves = max_pool(x, 2, 2)
        with v1.variable_scope("aside"):
            fc_layer(global_average_pool(x), 7)
        features = global_average_pool(halves)
        with v1.variable_scope("fc"):
            return {"halves": halves, "features": features, "logits": fc_layer(features, self.num_classes)}


PREPROCESSING = LayerRow("preprocessing", (9, 11, 2), 0, 1 + 2, 0)  # a scale and two means


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_row_of_a_tiny_net_by_hand(precision):
    with tf.Graph().as_default():
        model = PoolNet((9, 11, 2), 3, precision=precision)
    assert layer_rows(model) == [
        PREPROCESSING,
        LayerRow("body/conv", (4, 5, 5), 9 * 2 * 5 + 5 + 5 + 5, 5 + 5, 4 * 5 * 9 * 2 * 5),
        LayerRow("halves", (2, 3, 5), 0, 0, 0),
        LayerRow("features", (5,), 0, 0, 0),
        LayerRow("fc", (3,), 5 * 3 + 3, 0, 5 * 3),
        LayerRow("aside", (), 5 * 7 + 7, 0, 0),
    ]


class AnySize(ConvNet):
    """A network whose images may have any size when it runs."""

    def _build_model(self):
        x = v1.placeholder_with_default(self.inputs, [None, None, None, self.input_shape[2]])
        with v1.variable_scope("conv"):
            x = tf.nn.conv2d(x, v1.get_variable("weights", (3, 3, 2, 5)), 1, "SAME")
        with v1.variable_scope("fc"):
            return {"logits": fc_layer(global_average_pool(x), self.num_classes)}


def test_what_has_no_known_size_is_not_counted():
    with tf.Graph().as_default():
        model = AnySize((9, 11, 2), 3)
    found = {row.name: row for row in layer_rows(model)}
    assert found["conv"] == LayerRow("conv", (None, None, 5), 3 * 3 * 2 * 5, 0, 0)
    assert found["fc"] == LayerRow("fc", (3,), 5 * 3 + 3, 0, 5 * 3)


def test_the_rows_hold_every_variable_once_and_an_optimizer_adds_none():
    model = tiny_model()
    before = layer_rows(model)
    with model.graph.as_default():
        v1.train.MomentumOptimizer(0.1, 0.9).minimize(model.loss)
    assert layer_rows(model) == before
    assert sum(row.parameters for row in before) == model.num_parameters
    assert sum(row.parameters + row.statistics for row in before) == sum(
        v.shape.num_elements() for v in model.variables
    )


@pytest.mark.parametrize(
    ("name", "published", "half_a_digit"),
    [
        # torchvision's documentation of its weights ("GFLOPS", which are multiply-adds)
        ("resnet18", 1.81e9, 0.005e9),
        pytest.param("resnet34", 3.66e9, 0.005e9, marks=pytest.mark.long),
        ("resnet50", 4.09e9, 0.005e9),
        # as it is usually quoted, without the shortcuts of option B
        ("resnet20", 40.6e6, 0.05e6),
    ],
)
def test_published_multiply_adds(name, published, half_a_digit):
    total = sum(row.multiply_adds for row in layer_rows(whole_net(name)))
    assert total == pytest.approx(published, abs=half_a_digit)


def test_resnet20_by_hand():
    stem, first, last = 32 * 32 * 27 * 16, 6 * 32 * 32 * 9 * 16 * 16, 64 * 10
    second = 16 * 16 * 9 * (16 * 32 + 5 * 32 * 32)
    third = 8 * 8 * 9 * (32 * 64 + 5 * 64 * 64)
    rows = layer_rows(whole_net("resnet20"))
    assert sum(row.multiply_adds for row in rows) == stem + first + second + third + last == 40_551_040
    assert [row.name for row in rows][:3] == ["preprocessing", "stem", "stage1/block1/conv1"]
    assert [row.name for row in rows][-2:] == ["features", "fc"]
    assert {row.name: row.output_shape for row in rows}["stage3/block3/conv2"] == (8, 8, 64)


def test_the_place_of_the_stride_shows():
    with tf.Graph().as_default():
        paper = layer_rows(ResNet50((224, 224, 3), 1000, bottleneck_stride="1x1"))
    assert sum(row.multiply_adds for row in paper) == pytest.approx(3.8e9, abs=0.1e9)  # the paper's table 1


def test_groups_halve_the_work():
    with tf.Graph().as_default():
        rows = layer_rows(AlexNet((227, 227, 3), 1000, groups=2))
    found = {row.name: (row.output_shape, row.parameters, row.multiply_adds) for row in rows}
    parameters = 5 * 5 * 48 * 256
    assert found["conv2"] == ((27, 27, 256), parameters + 256, 27 * 27 * parameters)
    assert found["conv3"][2] == 13 * 13 * 9 * 256 * 384


def test_a_table_of_two_rows():
    rows = [LayerRow("conv", (4, None, 5), 1100, 10, 12345), LayerRow("fc", (3,), 18, 0, 15)]
    assert format_table(rows).splitlines() == [
        "layer  output  parameters  multiply-adds",
        "----------------------------------------",
        "conv    4x?x5       1,110         12,345",
        "fc          3          18             15",
        "----------------------------------------",
        "parameters: 1,128 (1,118 trainable, 10 not)",
        "multiply-adds of one image, forward: 12,360",
    ]


class TestMain:
    def test_defaults_of_the_family(self, capsys):
        main(["mini-resnet"])
        output = capsys.readouterr().out
        assert "28x28x64" in output
        assert "152,202 trainable" in output

    def test_the_names_that_predict_takes_are_listed(self, capsys):
        main(["alexnet"])
        end = " ".join(
            capsys.readouterr().out.split("for predict.py --layer, from the first to the last: ")[1].split()
        )
        names = end.split(", ")
        assert names[:4] == ["conv1", "relu1", "pool1", "conv2"]
        assert {*names} == {*whole_net("alexnet").d}
        assert names.index("pool5") < names.index("features") < names.index("logits")

    def test_input_classes_and_options(self, capsys):
        options = ["--option", "stages=[1, 1, 1]", "--option", "shortcut=B", "--option", "conv_biases=true"]
        main(["resnet20", "--input", "16x8x1", "--classes", "7", *options])
        lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
        assert lines["stage3/block1/shortcut"] == ["4x2x64", f"{32 * 64 + 64 + 4 * 64:,}", "16,384"]
        assert lines["fc"] == ["7", "455", "448"]
        assert "stage1/block2/conv1" not in lines

    def test_a_net_of_the_user_by_its_dotted_path(self, capsys):
        main(["tests.conftest.TinyNet", "--input", "10x10x3", "--classes", "2"])
        assert "conv1" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["resnet51"], "unknown model 'resnet51'; did you mean 'resnet"),
            (["models.resnet.ResNet51"], "cannot be imported"),
            (["resnet20", "--option", "shortcutt=A"], "unknown option 'shortcutt'; did you mean 'shortcut'"),
            (["resnet20", "--option", "shortcut=C"], "shortcut is 'C'; it must be one of A, B, B-no-norm"),
            (["resnet20", "--option", "shortcut"], "'shortcut' is not KEY=VALUE"),
            (["resnet20", "--option", "stages=[1,"], "the value in 'stages=[1,' is not YAML"),
            (["resnet20", "--option", "stages=3"], "stages is 3"),
            (["resnet20", "--input", "32x32"], "'32x32' is not HEIGHTxWIDTHxCHANNELS"),
            (["resnet20", "--input", "0x32x3"], "'0x32x3' is not HEIGHTxWIDTHxCHANNELS"),
            (["resnet20", "--classes", "0"], "'0' is not a number of classes"),
            (["alexnet", "--input", "5x5x3"], "leaves no pixel: take larger images"),
        ],
    )
    def test_an_error_is_one_line_and_exit_code_2(self, arguments, message, capsys):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        captured = capsys.readouterr()
        assert left.value.code == 2
        assert message in captured.err
        assert captured.err.count("\n") == 1
        assert not captured.out

    @pytest.mark.fault(20)
    def test_a_misspelt_model_is_found_without_tensorflow(self):
        code = (
            "import sys\n"
            "from models.summary import main\n"
            "try:\n"
            "    main(['resnet51'])\n"
            "finally:\n"
            "    assert 'tensorflow' not in sys.modules\n"
        )
        env = {**os.environ, "PYTHONPATH": "."}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
        assert done.returncode == 2
        assert done.stderr.startswith("python -m models.summary: error: unknown model 'resnet51'")
        assert done.stderr.count("\n") == 1

    def test_the_program_prints_only_the_table_or_one_line(self):
        code = (
            "from models.summary import main\n"
            "main(['smallnet'])\n"
            "main(['smallnet', '--option', 'width=-1'])\n"
        )
        env = {**os.environ, "PYTHONPATH": "."}
        del env["TF_CPP_MIN_LOG_LEVEL"]
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stdout.startswith("layer ")


@pytest.mark.fault(46)
def test_a_network_whose_name_the_terminal_lacks(tmp_path, monkeypatch):
    (tmp_path / "caf\u00e9.py").write_text(
        "from models.layers import fc_layer, global_average_pool\n"
        "from models.nn import ConvNet\n"
        "import tensorflow.compat.v1 as v1\n"
        "class Net(ConvNet):\n"
        "    def _build_model(self):\n"
        "        with v1.variable_scope('fc'):\n"
        "            return {'logits': fc_layer(global_average_pool(self.inputs), self.num_classes)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, "ascii"))
    main(["caf\u00e9.Net", "--input", "8x8x3", "--classes", "2"])
    sys.stdout.flush()
    assert b"fc" in buffer.getvalue()
    monkeypatch.setattr(sys, "stdout", None)
    main(["caf\u00e9.Net", "--input", "8x8x3", "--classes", "2"])
