"""models/resnet.py: parameter counts, shapes and variants against independently derived numbers."""

from inspect import getattr_static

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.checkpoints.saved_variables import restore
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from models.catalogue import model_class
from models.nn import MiniResNet, ResNet, ResNet18, ResNet20, ResNet50
from tests.conftest import make_set, whole_net


def build(model, input_shape=(8, 8, 3), classes=3, **options):
    with tf.Graph().as_default():
        return model(input_shape, classes, **options)


def small(**options):
    """Build two stages of one basic block on 8x8 images: the shortest net with each kind of shortcut."""
    return build(ResNet, **{"stages": (1, 1), "widths": (4, 8), "stem": "cifar", **options})


def initialised(session, model):
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    return sess


def size(model, prefix="", trainable=True):
    """Return the number of values in the variables under `prefix`, without preprocessing."""
    variables = model.trainable_variables if trainable else model.variables
    names = [(v.op.name, v.shape.num_elements()) for v in variables]
    return sum(n for name, n in names if name.startswith(prefix) and not name.startswith("preprocessing/"))


def convolution(model, scope):
    """Return the Conv2D operation that uses the weights of `scope`."""
    return next(
        op
        for op in model.graph.get_operations()
        if op.type == "Conv2D" and op.inputs[1].op.inputs[0].op.name == f"{scope}/weights"
    )


def output(model, scope):
    return tuple(convolution(model, scope).outputs[0].shape[1:])


def additions(model):
    """Return the additions of the blocks, without those in initialisers."""
    return [
        op.name
        for op in model.graph.get_operations()
        if op.type in ("Add", "AddV2", "AddN")
        and op.name.startswith("stage")
        and "Initializer" not in op.name
    ]


def conv_norm(side, channels, filters):
    """Return the parameters of a convolution without biases and of the normalisation after it."""
    return side * side * channels * filters + 2 * filters


@pytest.mark.parametrize("number", [18, 34, 50, 101, 152, 20, 32, 44, 56, 110])
def test_a_net_is_as_deep_as_its_name_says(number):
    options = getattr_static(model_class(f"resnet{number}"), "_build_model").keywords
    per_block = 3 if options.get("block") == "bottleneck" else 2
    assert per_block * sum(options["stages"]) + 2 == number  # beside the blocks the stem and the last layer


class TestImageNetNets:
    """torchvision documents these numbers with its weights (`num_params`), for 1,000 classes at 224x224."""

    @pytest.mark.parametrize(
        ("name", "parameters", "channels"),
        [
            ("resnet18", 11_689_512, 512),
            ("resnet34", 21_797_672, 512),
            ("resnet50", 25_557_032, 2048),
            pytest.param("resnet101", 44_549_160, 2048, marks=pytest.mark.long),
            pytest.param("resnet152", 60_192_808, 2048, marks=pytest.mark.long),
        ],
    )
    def test_parameters_and_shapes(self, name, parameters, channels):
        model = whole_net(name)
        assert model.num_parameters == parameters
        assert tuple(model.d["stem"].shape[1:]) == (112, 112, 64)
        assert tuple(model.d["pool"].shape[1:]) == (56, 56, 64)
        last = {key.split("/")[0]: tensor.shape[1:] for key, tensor in model.d.items() if "/" in key}
        assert {stage: shape[0] for stage, shape in last.items()} == {
            "stage1": 56,
            "stage2": 28,
            "stage3": 14,
            "stage4": 7,
        }
        assert tuple(model.d["features"].shape[1:]) == (channels,)
        assert tuple(model.logits.shape[1:]) == (1000,)
        projected = {v.op.name for v in model.variables if v.op.name.endswith("shortcut/weights")}
        first = 2 if channels == 512 else 1  # a basic stage 1 keeps its shape, a bottleneck one widens
        assert projected == {f"stage{stage}/block1/shortcut/weights" for stage in range(first, 5)}

    def test_resnet18_by_hand(self):
        stem, fc = conv_norm(7, 3, 64), 512 * 1000 + 1000
        same = sum(3 * conv_norm(3, w, w) for w in (128, 256, 512)) + 4 * conv_norm(3, 64, 64)
        enter = sum(conv_norm(3, w, 2 * w) + conv_norm(1, w, 2 * w) for w in (64, 128, 256))
        assert whole_net("resnet18").num_parameters == stem + same + enter + fc

    @pytest.mark.parametrize(
        ("net", "blocks", "parameters", "projections"),
        [
            (ResNet18, 8, 11_689_512, [(64, 128), (128, 256), (256, 512)]),
            (ResNet50, 16, 25_557_032, [(64, 256), (256, 512), (512, 1024), (1024, 2048)]),
        ],
    )
    def test_the_plain_twin_lacks_only_the_shortcuts(self, net, blocks, parameters, projections):
        model = build(net, (64, 64, 3), 1000, is_plain=True, zero_init_last_gamma=True)
        assert model.num_parameters == parameters - sum(conv_norm(1, *sizes) for sizes in projections)
        assert not [v.op.name for v in model.variables if "shortcut" in v.op.name]
        assert not additions(model)
        assert len([key for key in model.d if "/block" in key]) == blocks


class TestCifarNets:
    @staticmethod
    def by_hand(n):
        """6n + 2 layers with shortcuts that have no parameters (He et al. 2016, section 4.2)."""
        first = 2 * n * conv_norm(3, 16, 16)
        second = conv_norm(3, 16, 32) + (2 * n - 1) * conv_norm(3, 32, 32)
        third = conv_norm(3, 32, 64) + (2 * n - 1) * conv_norm(3, 64, 64)
        return conv_norm(3, 3, 16) + first + second + third + 64 * 10 + 10

    @pytest.mark.parametrize(
        ("name", "n", "parameters", "millions"),  # millions: the paper's table 6
        [
            ("resnet20", 3, 269_722, 0.27),
            ("resnet32", 5, 464_154, 0.46),
            pytest.param("resnet44", 7, 658_586, 0.66, marks=pytest.mark.long),
            pytest.param("resnet56", 9, 853_018, 0.85, marks=pytest.mark.long),
            pytest.param("resnet110", 18, 1_727_962, 1.7, marks=pytest.mark.long),
        ],
    )
    def test_parameters_and_shapes(self, name, n, parameters, millions):
        model = whole_net(name)
        assert model.num_parameters == parameters == self.by_hand(n)
        assert round(parameters / 1e6, 1 if name == "resnet110" else 2) == millions
        assert [tuple(model.d[f"stage{s}/block{n}"].shape[1:]) for s in (1, 2, 3)] == [
            (32, 32, 16),
            (16, 16, 32),
            (8, 8, 64),
        ]
        assert "pool" not in model.d
        assert not [
            v for v in model.variables if "shortcut" in v.op.name or v.op.name.endswith("conv1/biases")
        ]
        assert len([v for v in model.variables if v.op.name.endswith("weights")]) == 6 * n + 2
        assert len(additions(model)) == 3 * n

    def test_a_plain_net_has_as_many_parameters_as_option_a(self):
        model = build(ResNet20, (32, 32, 3), 10, is_plain=True)
        assert model.num_parameters == self.by_hand(3)
        assert not additions(model)

    def test_the_net_of_the_cifar_post(self):
        """The numbers are those of its `model.summary()`, layer by layer."""
        options = {"shortcut": "B", "first_stage_stride": 2, "conv_biases": True}
        model = build(ResNet20, (32, 32, 3), 10, **options)
        everything = {name: size(model, f"{name}/", trainable=False) for name in ("stem", "fc")}
        assert everything == {"stem": 448 + 64, "fc": 650}
        stages = [size(model, f"stage{stage}/", trainable=False) for stage in (1, 2, 3)]
        assert stages == [14_640, 52_320, 207_040]
        assert size(model) == model.num_parameters == 273_562
        assert size(model, trainable=False) == 275_162
        assert [tuple(model.d[f"stage{stage}/block3"].shape[1:]) for stage in (1, 2, 3)] == [
            (16, 16, 16),
            (8, 8, 32),
            (4, 4, 64),
        ]


def test_mini_resnet_by_hand():
    model = build(MiniResNet, (28, 28, 1), 10)
    with_biases = [(7, 1, 64)] + 4 * [(3, 64, 64)]
    parameters = sum(conv_norm(*sizes) + sizes[-1] for sizes in with_biases) + 64 * 10 + 10
    assert model.num_parameters == parameters == 152_202
    assert tuple(model.d["stem"].shape[1:]) == (28, 28, 64)
    assert tuple(model.d["pool"].shape[1:]) == (9, 9, 64)
    assert tuple(model.d["stage1/block2"].shape[1:]) == (9, 9, 64)
    assert not [v for v in model.variables if "shortcut" in v.op.name]


class TestShortcuts:
    def test_a_subsamples_and_pads_channels_half_in_front_and_half_behind(self, session):
        model = small(shortcut="A")
        values = np.arange(1, 1 + 3 * 4 * 2, dtype=np.float32).reshape(1, 3, 4, 2)
        with model.graph.as_default():
            even = model._build_shortcut(tf.constant(values), 6, 2)
            odd = model._build_shortcut(tf.constant(values), 5, 2)
            same_size = model._build_shortcut(tf.constant(values), 4, 1)
        even, odd, same_size = session(model).run([even, odd, same_size])
        kept = [[[1, 2], [5, 6]], [[17, 18], [21, 22]]]  # rows 0 and 2, columns 0 and 2
        assert even.shape == (1, 2, 2, 6)
        np.testing.assert_array_equal(even[0, ..., 2:4], kept)
        np.testing.assert_array_equal(np.delete(even, (2, 3), axis=-1), 0)
        np.testing.assert_array_equal(odd[0, ..., 1:3], kept)
        np.testing.assert_array_equal(np.delete(odd, (1, 2), axis=-1), 0)
        np.testing.assert_array_equal(same_size[..., 1:3], values)

    def test_an_identity_stays_the_tensor_itself(self):
        model = small()
        x = model.d["stage1/block1"]
        assert model._build_shortcut(x, 4, 1) is x

    @pytest.mark.parametrize(
        ("shortcut", "biases", "variables"),
        [
            ("A", False, set()),
            ("A", True, set()),
            ("B", False, {"weights", "gamma", "beta", "moving_mean", "moving_variance"}),
            ("B", True, {"weights", "biases", "gamma", "beta", "moving_mean", "moving_variance"}),
            ("B-no-norm", False, {"weights"}),
            ("B-no-norm", True, {"weights", "biases"}),
        ],
    )
    def test_variables_of_each_kind(self, shortcut, biases, variables):
        model = small(shortcut=shortcut, conv_biases=biases)
        prefix = "stage2/block1/shortcut/"
        shortcuts = {v.op.name for v in model.variables if "shortcut" in v.op.name}
        assert shortcuts == {prefix + name for name in variables}
        if variables:
            assert output(model, "stage2/block1/shortcut") == (4, 4, 8)
            assert list(convolution(model, "stage2/block1/shortcut").get_attr("strides")) == [1, 2, 2, 1]

    def test_a_stage_that_narrows_can_be_projected_but_not_padded(self):
        assert tuple(small(widths=(8, 4)).d["stage2/block1"].shape[1:]) == (4, 4, 4)
        with pytest.raises(ValueError, match=r"shortcut is 'A', which cannot take channels away \(8 to 4\)"):
            small(widths=(8, 4), shortcut="A")


@pytest.mark.parametrize(
    ("bottleneck_stride", "strides", "after_first"), [("1x1", (2, 1, 1), 4), ("3x3", (1, 2, 1), 8)]
)
def test_the_stride_of_a_bottleneck_block(bottleneck_stride, strides, after_first):
    model = small(block="bottleneck", bottleneck_stride=bottleneck_stride)
    scopes = [f"stage2/block1/conv{number}" for number in (1, 2, 3)]
    assert tuple(convolution(model, scope).get_attr("strides")[1] for scope in scopes) == strides
    assert [output(model, scope) for scope in scopes] == [
        (after_first, after_first, 8),
        (4, 4, 8),
        (4, 4, 32),
    ]
    assert [int(convolution(model, scope).inputs[1].shape[0]) for scope in scopes] == [1, 3, 1]


@pytest.mark.parametrize(("stride_block", "strides"), [("first", (1, 1, 2)), ("last", (1, 2, 1))])
def test_the_block_with_the_stride_between_two_stages(stride_block, strides):
    model = small(stages=(2, 1), stride_block=stride_block)
    blocks = ("stage1/block1", "stage1/block2", "stage2/block1")
    assert tuple(convolution(model, f"{b}/conv1").get_attr("strides")[1] for b in blocks) == strides
    assert [tuple(model.d[b].shape[1:]) for b in blocks] == [
        (8, 8, 4),
        (8 // strides[1], 8 // strides[1], 4),
        (4, 4, 8),
    ]
    shortcuts = [v.op.name for v in model.variables if v.op.name.endswith("shortcut/weights")]
    assert shortcuts == ["stage2/block1/shortcut/weights"]  # the stride alone needs no projection


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("MaxPool", b"SAME")),
        ({"padding": "SYMMETRIC"}, ("MaxPool", b"VALID")),  # behind the zeros
        ({"padding": "SYMMETRIC", "pool_padding": "SAME"}, ("MaxPool", b"SAME")),
    ],
)
def test_the_padding_of_the_pooling(options, expected):
    pool = small(stem="imagenet", **options).d["pool"].op
    assert (pool.type, pool.get_attr("padding")) == expected


def test_first_stage_stride():
    assert [tuple(small(first_stage_stride=stride).d["stage1/block1"].shape[1:]) for stride in (1, 2)] == [
        (8, 8, 4),
        (4, 4, 4),
    ]


def test_conv_biases_are_in_all_convolutions_or_none():
    def names(model):
        return {v.op.name.rpartition("/")[0] for v in model.variables if v.op.name.endswith("/biases")}

    convolutions = {"stem", "stage2/block1/shortcut"} | {
        f"stage{stage}/block1/conv{number}" for stage in (1, 2) for number in (1, 2)
    }
    assert names(small(conv_biases=True)) == {"fc"} | convolutions
    assert names(small()) == {"fc"}


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_zero_init_last_gamma_starts_every_branch_at_zero(block, session):
    last = "conv2" if block == "basic" else "conv3"

    def gammas(**options):
        model = small(block=block, stages=(2, 1), zero_init_last_gamma=True, **options)
        values = initialised(session, model).run(
            {v.op.name: v for v in model.variables if v.op.name.endswith("/gamma")}
        )
        return model, {name for name, value in values.items() if not value.any()}, set(values)

    model, zero, everything = gammas()
    blocks = ("stage1/block1", "stage1/block2", "stage2/block1")
    assert zero == {f"{name}/{last}/gamma" for name in blocks}
    assert len(everything) > len(zero)
    fetches = [model.d["stage1/block1"], model.d["stage1/block2"]]
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    before, after = initialised(session, model).run(fetches, model.feed(images))
    np.testing.assert_array_equal(before, after)  # the second block is an identity still
    assert before.any()
    assert gammas(is_plain=True)[1] == set()  # a plain net would give nothing but zeros


class TestPadding:
    def features(self, session, **options):
        model = small(**options)
        images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
        return initialised(session, model).run(model.d["features"], model.feed(images))

    def test_it_matters_only_where_the_stride_is_2(self, session):
        one_stage = {"stages": (1,), "widths": (4,)}
        same, symmetric = (self.features(session, padding=p, **one_stage) for p in ("SAME", "SYMMETRIC"))
        np.testing.assert_array_equal(same, symmetric)
        same, symmetric = (self.features(session, padding=p) for p in ("SAME", "SYMMETRIC"))
        assert not np.allclose(same, symmetric)

    def test_the_stem_is_padded_by_three_pixels_and_the_pool_by_one(self):
        model = small(stem="imagenet", padding="SYMMETRIC")
        pads = [op for op in model.graph.get_operations() if op.type == "PadV2"]
        amounts = [tf.get_static_value(op.inputs[1])[1:3].tolist() for op in pads]
        values = [tf.get_static_value(op.inputs[2]) for op in pads]
        assert amounts[:2] == [[[3, 3], [3, 3]], [[1, 1], [1, 1]]]
        assert values[0] == 0
        assert values[1] == np.finfo(np.float32).min


def test_momentum_and_epsilon_reach_the_normalisation(session):
    model = small(batch_norm_momentum=0.7, batch_norm_epsilon=0.5)
    sess = initialised(session, model)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    conv = convolution(model, "stem").outputs[0]
    moving = {v.op.name: v for v in model.variables if v.op.name.startswith("stem/moving")}
    trained, conv, _ = sess.run([model.d["stem"], conv, model.update_ops], model.feed(images, is_train=True))
    statistics, evaluated = sess.run([moving, model.d["stem"]], model.feed(images))
    mean, variance = conv.mean(axis=(0, 1, 2)), conv.var(axis=(0, 1, 2))
    number = conv[..., 0].size
    np.testing.assert_allclose(trained, np.maximum((conv - mean) / (variance + 0.5) ** 0.5, 0), atol=1e-5)
    np.testing.assert_allclose(statistics["stem/moving_mean"], 0.3 * mean, rtol=1e-4, atol=1e-6)
    unbiased = variance * number / (number - 1)
    np.testing.assert_allclose(statistics["stem/moving_variance"], 0.7 + 0.3 * unbiased, rtol=1e-5)
    by_moving = (conv - 0.3 * mean) / (0.7 + 0.3 * unbiased + 0.5) ** 0.5
    np.testing.assert_allclose(evaluated, np.maximum(by_moving, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "wide"}, "block is 'wide'; it must be one of basic, bottleneck"),
        ({"stem": "mnist"}, "stem is 'mnist'; it must be one of imagenet, cifar, mini"),
        ({"shortcut": "C"}, "shortcut is 'C'; it must be one of A, B, B-no-norm"),
        ({"bottleneck_stride": "2x2"}, "bottleneck_stride is '2x2'; it must be one of 1x1, 3x3"),
        ({"stride_block": "middle"}, "stride_block is 'middle'; it must be one of first, last"),
        ({"padding": "VALID"}, "padding is 'VALID'; it must be one of SAME, SYMMETRIC"),
        ({"pool_padding": "VALID"}, "pool_padding is 'VALID'; it must be one of SAME, SYMMETRIC"),
        ({"precision": "float16"}, "precision is 'float16'; it must be one of float32, bfloat16"),
        ({"stages": (1, 1, 1)}, r"stages is \(1, 1, 1\) and widths is \(4, 8\); give both the same length"),
        ({"stages": []}, r"stages is \[\]; it must be a list of one or more positive integers"),
        ({"stages": 2}, "stages is 2; it must be a list"),
        ({"stages": (1, 0)}, r"stages is \(1, 0\); it must be a list of one or more positive integers"),
        ({"widths": (4, 8.5)}, r"widths is \(4, 8.5\); it must be a list"),
        ({"stages": "11"}, "stages is '11'; it must be a list"),
        ({"first_stage_stride": 0}, "first_stage_stride is 0; it must be a positive integer"),
        ({"batch_norm_momentum": 1.0}, "batch_norm_momentum is 1.0; it must be at least 0 and below 1"),
        ({"batch_norm_epsilon": float("nan")}, "batch_norm_epsilon is nan; it must be above 0 and below 1"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_option(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_moving_statistics_move_with_a_step_and_are_in_the_checkpoint(session, tmp_path):
    def optimizer(seed):
        model = build(ResNet, (10, 10, 3), 2, stages=(1, 1), widths=(4, 8), stem="cifar", seed=seed)
        return MomentumOptimizer(
            model, make_set(8), AccuracyEvaluator(), batch_size=8, num_epochs=1, augment_pred=False
        )

    def statistics(sess, model):
        return sess.run({v.op.name: v for v in model.variables if "/moving_" in v.op.name})

    trained = optimizer(seed=0)
    sess = session(trained.model)
    trained.train(sess, save_dir=tmp_path, verbose=False)  # one update
    moved = statistics(sess, trained.model)
    assert (
        len(moved) == len(trained.model.update_ops) == 2 * (1 + 2 + 3)
    )  # the stem, 2 in a block, its shortcut
    for name, value in moved.items():
        assert not np.isclose(value, 0.0 if name.endswith("mean") else 1.0).all(), name

    again = optimizer(seed=1)
    sess = initialised(session, again.model)
    for name, value in statistics(sess, again.model).items():
        np.testing.assert_array_equal(value, np.float32(name.endswith("variance")))
    checkpoint = tmp_path / "checkpoints" / "step-00000001"
    restore(sess, again.saved_variables, checkpoint, exact=True)
    restored = statistics(sess, again.model)
    with again.model.graph.as_default():
        sess.run(v1.global_variables_initializer())
        v1.train.Saver(again.model.variables).restore(sess, str(checkpoint / "model.ckpt"))
    by_saver = statistics(sess, again.model)
    for name, value in moved.items():
        np.testing.assert_array_equal(restored[name], value)
        np.testing.assert_array_equal(by_saver[name], value)
