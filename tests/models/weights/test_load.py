"""models/weights/load.py: all of a network's weights are loaded, or none."""

import functools

import numpy as np
import pytest

from learning.evaluators import AccuracyEvaluator
from learning.optimizers import OPTIMIZERS
from models.layers import conv2d, fc_layer
from models.nn import AlexNet, ConvNet, EfficientNetLite0, ResNet18, ResNet50
from models.weights.errors import WeightsError
from models.weights.files import Weights
from models.weights.load import folded, load_tensors, load_weights, map_of
from models.weights.maps.catalogue import MAPS
from models.weights.maps.torchvision import TORCHVISION_RESNET
from models.weights.naming import Preprocessing, is_of_data
from tests.conftest import make_set, tf, tiny_model, v1

HEAD = {"fc/weights", "fc/biases"}


@functools.cache
def tiny():
    return tiny_model()


def tensors_of(model, **changes):
    """Return random tensors by the names of a network; a change of None leaves one out."""
    rng = np.random.default_rng(3)
    found = {
        v.op.name: rng.uniform(0.5, 1.5, v.shape.as_list()).astype(np.float32) for v in model.variables
    } | {name.replace("__", "/"): value for name, value in changes.items()}
    return {name: value for name, value in found.items() if value is not None}


def npz(path, tensors):
    np.savez(path, **tensors)
    return path


def values(sess, model):
    return {v.op.name: value for v, value in zip(model.variables, sess.run(model.variables), strict=True)}


def started(session, model):
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    return sess


def check_equal(found, expected):
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


class TestLoading:
    def test_every_variable_is_loaded_into_a_session_that_was_never_initialised(self, session, tmp_path):
        model = tiny()
        tensors = tensors_of(model)
        sess = session(model)
        report = load_weights(sess, model, npz(tmp_path / "w.npz", tensors))
        check_equal(values(sess, model), tensors)
        assert report.states == dict.fromkeys(tensors, "loaded")
        assert (report.source, report.form) == (str(tmp_path / "w.npz"), "sessionnet")
        assert (report.head, list(report.unused)) == ("", [])

    def test_a_head_for_other_classes_is_new_and_says_so(self, session, tmp_path):
        model = tiny()
        other = {"fc__weights": np.ones((4, 7), np.float32), "fc__biases": np.ones(7, np.float32)}
        tensors = tensors_of(model, **other)
        sess = session(model)
        report = load_weights(sess, model, npz(tmp_path / "w.npz", tensors))
        initial = values(started(session, model), model)
        expected = {name: initial[name] if name in HEAD else tensors[name] for name in initial}
        check_equal(values(sess, model), expected)
        assert {name for name, state in report.states.items() if state == "new"} == HEAD
        assert report.head == "the last layer (fc) is new: 7 classes there, 2 here"

    @pytest.mark.parametrize("missing", [("fc__weights", "fc__biases"), ("fc__biases",)])
    def test_a_head_that_is_not_there_is_new(self, missing, session, tmp_path):
        model = tiny()
        path = npz(tmp_path / "w.npz", tensors_of(model, **dict.fromkeys(missing)))
        report = load_weights(session(model), model, path)
        assert {name for name, state in report.states.items() if state == "new"} == HEAD
        assert report.head == "the last layer (fc) is new: 2 here"

    def test_a_head_of_the_same_size_may_be_left_out(self, session, tmp_path):
        model = tiny()
        tensors = tensors_of(model)
        sess = session(model)
        report = load_weights(sess, model, npz(tmp_path / "w.npz", tensors), keep_head=False)
        found, initial = values(sess, model), values(started(session, model), model)
        check_equal({name: found[name] for name in HEAD}, {name: initial[name] for name in HEAD})
        np.testing.assert_array_equal(found["conv1/weights"], tensors["conv1/weights"])
        assert report.head == "the last layer (fc) is new: 2 classes there, 2 here"

    def test_a_finished_graph(self, session, tmp_path):
        model = tiny_model()
        model.graph.finalize()
        tensors = tensors_of(model)
        sess = session(model)
        load_weights(sess, model, npz(tmp_path / "w.npz", tensors))
        check_equal(values(sess, model), tensors)

    @pytest.mark.parametrize("kind", OPTIMIZERS)
    def test_a_checkpoint_with_slots(self, kind, session, tmp_path):
        model = tiny_model()
        with model.graph.as_default():
            optimizer = OPTIMIZERS[kind](model, make_set(16), AccuracyEvaluator(), batch_size=8)
            sess = session(model)
            sess.run(optimizer.initialize)
            expected = values(sess, model)
            v1.train.Saver(optimizer.saved_variables).save(sess, str(tmp_path / "w"), write_meta_graph=False)
        sess = session(tiny())
        report = load_weights(sess, tiny(), tmp_path / "w")
        check_equal(values(sess, tiny()), expected)
        assert report.unused == [name for name in report.unused if name.startswith(("conv1/", "fc/", "beta"))]
        assert any(name.startswith("conv1/weights/") for name in report.unused)


class Unusual(ConvNet):
    """Variables that share their initial values, of other types, and references."""

    def _build_model(self):
        ones = tf.ones([300])
        x = tf.reshape(self.inputs, [-1, 300])
        for name, is_resource in (("one", True), ("two", False), ("three", True)):
            with v1.variable_scope(name, use_resource=is_resource):
                x = x * v1.get_variable("scale", initializer=ones)
        shift = v1.get_variable("shift", [], tf.float64, v1.zeros_initializer(), trainable=False)
        v1.get_variable("count", [], tf.int32, v1.constant_initializer(7), trainable=False)
        with v1.variable_scope("fc"):
            return {"logits": fc_layer(x + tf.cast(shift, tf.float32), self.num_classes)}


def test_variables_that_share_an_initial_value_and_integers(session):
    with tf.Graph().as_default():
        model = Unusual((10, 10, 3), 2)
    tensors = tensors_of(model, count=None)
    sess = session(model)
    report = load_tensors(sess, model, Weights(tensors, "numpy", "w.npz"))
    found = values(sess, model)
    check_equal(found, tensors)
    assert (found["count"], report.states["count"]) == (7, "new")


CLASS_WEIGHTS = "loss/class_weights"


def published_net(weights_map, **options):
    """Build a small network of the family of a map, for two classes."""
    options = {**weights_map.options, **options}
    with tf.Graph().as_default():
        if "AlexNet" in weights_map.name:
            return AlexNet((67, 67, 3), 2, **options)
        if "EfficientNet" in weights_map.name:
            return EfficientNetLite0((32, 32, 3), 2, width=0.1, depth=0.1, **options)
        return ResNet50((32, 32, 3), 2, stages=(1, 1), widths=(8, 8), **options)


@pytest.mark.parametrize("weights_map", MAPS, ids=lambda weights_map: weights_map.name)
def test_a_file_without_a_last_layer_is_recognised_and_the_layer_is_new(weights_map, session):
    model = published_net(weights_map)
    ours = {v.op.name: np.ones(v.shape.as_list(), np.float32) for v in model.variables}
    pairs = [p for p in weights_map.pairs(model) if not p.ours.startswith(f"{weights_map.head}/")]
    weights = Weights({p.theirs: p.layout.to_theirs(ours[p.ours]) for p in pairs}, "numpy", "net.npz")
    if "slim" in weights_map.name:  # whose networks are called by their depth
        weights = weights._replace(tensors={
            name.replace("resnet_v1_8/", "resnet_v1_50/"): value for name, value in weights.tensors.items()
        })  # fmt: skip
        assert map_of(weights) is weights_map
        return
    assert map_of(weights).name == weights_map.name
    report = load_tensors(session(model), model, weights)
    new = {name for name, state in report.states.items() if state == "new"}
    assert new == {f"{weights_map.head}/{kind}" for kind in ("weights", "biases")}
    assert report.head == f"the last layer ({weights_map.head}) is new: 2 here"


class TestWeightsOfClasses:
    """They belong to a run's data: `train.class_weights balanced`."""

    def check_new(self, report, sess, model, expected):
        assert {name for name, state in report.states.items() if state == "new"} == {CLASS_WEIGHTS}
        np.testing.assert_array_equal(values(sess, model)[CLASS_WEIGHTS], expected)

    @pytest.mark.parametrize("weights_map", MAPS, ids=lambda weights_map: weights_map.name)
    def test_they_are_new_beside_published_weights(self, weights_map, session):
        model = published_net(weights_map, class_weights=[0.5, 2.0])
        ours = {v.op.name: np.ones(v.shape.as_list(), np.float32) for v in model.variables}
        theirs = {p.theirs: p.layout.to_theirs(ours[p.ours]) for p in weights_map.pairs(model)}
        sess = session(model)
        report = load_tensors(sess, model, Weights(theirs, "numpy", "net.npz"), weights_map)
        self.check_new(report, sess, model, [0.5, 2.0])

    @pytest.mark.parametrize("there", [None, np.float32([3, 4]), np.float32([3, 4, 5])])
    def test_those_of_an_earlier_run_are_not_loaded(self, there, session):
        model = tiny_model(class_weights=[0.5, 2.0])
        sess = session(model)
        tensors = tensors_of(model, loss__class_weights=there)
        self.check_new(load_tensors(sess, model, Weights(tensors, "numpy", "w.npz")), sess, model, [0.5, 2.0])

    def test_a_network_without_them_leaves_them_over(self, session):
        tensors = tensors_of(tiny()) | {CLASS_WEIGHTS: np.float32([3, 4])}
        report = load_tensors(session(tiny()), tiny(), Weights(tensors, "numpy", "w.npz"))
        assert (set(report.states.values()), list(report.unused)) == ({"loaded"}, [CLASS_WEIGHTS])

    def test_no_other_variables_of_a_loss_are_meant(self):
        assert is_of_data("loss/class_weights") and is_of_data("net/loss/class_weights")
        assert not any(map(is_of_data, ("loss/centres", "loss/class_weights/kernel", "class_weights")))


OTHER = np.ones((3, 3, 3, 8), np.float32)
TOO_MANY = {f"block{number}/weights": OTHER for number in range(6)}


class TestRefusals:
    @pytest.mark.fault(52)
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"conv1__weights": OTHER}, r"conv1/weights is \[3, 3, 3, 8\] there, our conv1/weights \[3, 3, 3, 4\]"),
            ({"conv1__weights": OTHER[0]}, r"conv1/weights is \[3, 3, 8\] there"),
            ({"conv1__gamma": None}, r"conv1/gamma is missing there \(our conv1/gamma\); choose the network"),
            ({"conv2__weights": OTHER}, r"conv2/weights \[3, 3, 3, 8\] there has no counterpart in the network; "),
            ({"conv1__weights": None, "c__w": OTHER}, "conv1/weights is missing .*; c/w .* has no counterpart"),
            (TOO_MANY, r"block0/weights .*block4/weights \S+ \S+ \S+ \S+ there [a-z ]+; and 1 more; choose"),
            ({"preprocessing__mean": np.zeros((10, 10, 3), np.float32)}, "preprocessing/mean is"),
        ],
    )  # fmt: skip
    def test_differences_are_named_and_nothing_is_changed(self, changes, message, session, tmp_path):
        model = tiny()
        sess = started(session, model)
        before = values(sess, model)
        path = npz(tmp_path / "w.npz", tensors_of(model, **changes))
        with pytest.raises(
            WeightsError, match=rf"w.npz' \(sessionnet\) does not hold the weights of TinyNet.*{message}"
        ):
            load_weights(sess, model, path)
        check_equal(values(sess, model), before)

    @pytest.mark.fault(52)
    def test_half_of_the_names_leave_a_session_without_values(self, session, tmp_path):
        model = tiny()
        tensors = tensors_of(model)
        half = {name: tensors[name] for name in list(tensors)[::2]}
        sess = session(model)
        with pytest.raises(WeightsError, match="is missing there"):
            load_weights(sess, model, npz(tmp_path / "w.npz", half))
        with model.graph.as_default():
            assert len(sess.run(v1.report_uninitialized_variables(model.variables))) == len(model.variables)

    @pytest.mark.fault(52)
    def test_weights_that_are_not_finite(self, session, tmp_path):
        model = tiny()
        sess = started(session, model)
        before = values(sess, model)
        path = npz(tmp_path / "w.npz", tensors_of(model, conv1__beta=np.float32([0, np.nan, 0, 0])))
        with pytest.raises(WeightsError, match="conv1/beta.* has NaN"):
            load_weights(sess, model, path)
        check_equal(values(sess, model), before)

    @pytest.mark.fault(52)
    def test_weights_of_a_network_that_nobody_knows(self, session, tmp_path):
        with pytest.raises(
            WeightsError,
            match=r"w.npz' holds weights of an unknown network: encoder.0.weight \(2, 3\); known are",
        ):
            load_weights(
                session(tiny()), tiny(), npz(tmp_path / "w.npz", {"encoder.0.weight": np.ones((2, 3))})
            )


@functools.cache
def small_resnet(**options):
    with tf.Graph().as_default():
        return ResNet18((12, 12, 3), 5, stages=(1, 1), widths=(4, 8), **options)


def torchvision_weights(model):
    """Return tensors of torchvision's names for a small ResNet."""
    ours = tensors_of(model)
    theirs = {p.theirs: p.layout.to_theirs(ours[p.ours]) for p in TORCHVISION_RESNET.pairs(model)}
    return Weights(theirs | {"bn1.num_batches_tracked": np.float32(3)}, "torch", "net.pth")


class TestMaps:
    def test_preprocessing_is_set_and_the_report_says_what_was_left_over(self, session):
        model = small_resnet(padding="SYMMETRIC", image_mean=0.9)
        weights = torchvision_weights(model)
        sess = session(model)
        report = load_tensors(sess, model, weights)
        found = values(sess, model)
        std = np.float32(TORCHVISION_RESNET.preprocessing.std)
        np.testing.assert_allclose(
            found["stem/weights"],
            weights.tensors["conv1.weight"].transpose(2, 3, 1, 0) / std[:, None],
            rtol=1e-6,
        )
        np.testing.assert_allclose(found["preprocessing/mean"], [0.485, 0.456, 0.406], rtol=1e-6)
        np.testing.assert_allclose(found["preprocessing/scale"], 1 / 255, rtol=1e-6)
        np.testing.assert_array_equal(found["fc/weights"], weights.tensors["fc.weight"].T)
        assert (report.form, list(report.unused)) == ("torchvision ResNet", ["bn1.num_batches_tracked"])
        assert set(report.states.values()) == {"loaded"}

    def test_a_mean_of_every_pixel_becomes_that_of_the_channels(self, session):
        model = small_resnet(padding="SYMMETRIC", image_mean=tuple([((0.5,) * 3,) * 12] * 12))
        sess = session(model)
        load_tensors(sess, model, torchvision_weights(model))
        mean = values(sess, model)["preprocessing/mean"]
        np.testing.assert_allclose(mean, np.broadcast_to([0.485, 0.456, 0.406], (12, 12, 3)), rtol=1e-6)

    @pytest.mark.fault(52)
    def test_options_with_which_the_network_computes_something_else_are_named(self, session):
        model = small_resnet(batch_norm_epsilon=1e-3)
        sess = started(session, model)
        before = values(sess, model)
        message = (
            "'net.pth' holds weights of torchvision ResNet, .* ResNet18 .* padding is 'SAME', must be 'SYMMETRIC'; "
            "batch_norm_epsilon is 0.001, must be 1e-05"
        )
        with pytest.raises(WeightsError, match=message):
            load_tensors(sess, model, torchvision_weights(model))
        check_equal(values(sess, model), before)

    @pytest.mark.fault(52)
    def test_another_size_is_named_by_both_names(self, session):
        model = small_resnet(padding="SYMMETRIC", image_mean=0.9)
        weights = torchvision_weights(model)
        del weights.tensors["bn1.weight"]
        weights.tensors["layer2.0.bn1.bias"] = np.ones(9, np.float32)
        message = (
            r"bn1.weight is missing there \(our stem/gamma\); layer2.0.bn1.bias is \[9\] there, our "
            r"stage2/block1/conv1/beta \[8\]; choose"
        )
        with pytest.raises(WeightsError, match=message):
            load_tensors(session(model), model, weights)


class TestFolding:
    IMAGE = np.arange(27, dtype=np.float32).reshape(1, 3, 3, 3) / 26  # in the order red, green, blue
    MEAN, STD = (0.1, 0.2, 0.4), (0.5, 0.25, 2.0)

    def convolved(self, session, images, filters):
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as sess:
            return sess.run(
                conv2d(tf.constant(images, tf.float32), tf.constant(filters, tf.float32), 2, "SYMMETRIC")
            )

    @pytest.mark.parametrize("is_bgr", [False, True])
    def test_the_convolution_is_the_same_at_the_padding_too(self, is_bgr, session):
        filters = np.random.default_rng(0).normal(size=(3, 3, 3, 2)).astype(np.float32)
        theirs = (self.IMAGE - self.MEAN) / self.STD
        theirs = theirs[..., ::-1] if is_bgr else theirs
        mean, ours = folded(Preprocessing(mean=self.MEAN, std=self.STD, is_bgr=is_bgr), filters)
        np.testing.assert_allclose(
            self.convolved(session, self.IMAGE - mean, ours),
            self.convolved(session, theirs, filters), rtol=1e-5, atol=1e-6,
        )  # fmt: skip

    def test_by_hand(self):
        filters = np.float32([[[[1], [2], [4]]]])  # of blue, green, red
        mean, ours = folded(Preprocessing(mean=self.MEAN, std=self.STD, is_bgr=True), filters)
        np.testing.assert_array_equal(ours, np.float32([[[[8], [8], [0.5]]]]))
        np.testing.assert_array_equal(mean, np.float32(self.MEAN))

    def test_another_number_of_channels_is_an_error(self):
        with pytest.raises(WeightsError, match="take 3 channels, the network 1; set data.channels to 3"):
            folded(Preprocessing(mean=self.MEAN, std=self.STD), np.ones((3, 3, 1, 2), np.float32))
