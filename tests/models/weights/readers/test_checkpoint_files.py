"""Checkpoints of TensorFlow are read in all their forms, and none of them can end the process."""

import contextlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.core.protobuf import tensor_bundle_pb2
from tensorflow.core.util import saved_tensor_slice_pb2

from models.weights.errors import WeightsError
from models.weights.files import read_weights, shown_path
from models.weights.readers.checkpoint_index import check_index
from tests.support.made_weights import masked_checksum, table, taking_less_than
from tests.support.planted import FOLDER_NAMES

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)


def save_tf1(prefix, version=2, **values):
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), v1.Session() as sess:
        for name, value in {"w": KERNEL, **values}.items():
            v1.get_variable(f"conv1/{name}", initializer=value, use_resource=False)
        v1.train.get_or_create_global_step()
        sess.run(v1.global_variables_initializer())
        v1.train.Saver(write_version=version).save(sess, str(prefix), write_meta_graph=False)
    return prefix


def without_links(*args, **options):
    raise OSError("Operation not permitted")


def check(source, name="conv1/w"):
    weights = read_weights(source)
    assert weights.kind == "tensorflow" and weights.where == shown_path(Path(source))
    np.testing.assert_array_equal(weights.tensors[name], KERNEL)
    return weights.tensors


def test_a_checkpoint_by_its_prefix_its_files_and_its_folder(tmp_path):
    prefix = save_tf1(
        tmp_path / "run" / "model.ckpt-7", half=KERNEL.astype(np.float16), double=KERNEL.astype("f8")
    )
    for source in (prefix, str(prefix), prefix.parent, f"{prefix}.index", f"{prefix}.data-00000-of-00001"):
        tensors = check(source)
        assert tensors.keys() == {"conv1/w", "conv1/half", "conv1/double"}
        assert all(tensor.dtype == np.float32 for tensor in tensors.values())


def test_the_first_format_in_one_file(tmp_path):
    prefix = save_tf1(tmp_path / "old" / "resnet.ckpt", version=1, more=np.ones(1000, np.float32))
    assert not prefix.with_name("resnet.ckpt.index").exists()
    assert check(prefix).keys() == check(prefix.parent).keys() == {"conv1/w", "conv1/more"}


def test_objects_of_tf2_and_saved_models(tmp_path):
    module = tf.Module()
    module.kernel, module.count = tf.Variable(KERNEL), tf.Variable(3)
    module.parts = [tf.Variable(tf.cast(KERNEL, tf.bfloat16))]
    path = tf.train.Checkpoint(model=module).save(str(tmp_path / "objects" / "x"))
    assert check(path, "model/kernel").keys() == {"model/kernel", "model/parts/0"}
    tf.saved_model.save(module, str(tmp_path / "saved"))
    assert check(tmp_path / "saved", "kernel").keys() == {"kernel", "parts/0"}


def test_run_directories_and_published_ones(tmp_path):
    save_tf1(tmp_path / "published" / "checkpoints" / "step-00000012" / "model.ckpt")
    check(tmp_path / "published")
    save_tf1(tmp_path / "run" / "checkpoints" / "step-00000012" / "model.ckpt", w2=KERNEL)
    save_tf1(tmp_path / "run" / "checkpoints" / "step-00000024" / "model.ckpt", w2=KERNEL)
    with pytest.raises(
        WeightsError, match=r"several checkpoints \(checkpoints/step-00000012/model.ckpt, checkp"
    ):
        read_weights(tmp_path / "run")
    save_tf1(tmp_path / "run" / "model.ckpt")
    assert check(tmp_path / "run").keys() == {"conv1/w"}


def test_of_several_checkpoints_the_newest_counts_where_tensorflow_names_it(tmp_path):
    save_tf1(tmp_path / "x-1", one=KERNEL)
    save_tf1(tmp_path / "x-2")
    assert check(tmp_path).keys() == {"conv1/w"}
    moved = shutil.move(tmp_path / "checkpoint", tmp_path / "other")
    with pytest.raises(WeightsError, match=r"several checkpoints \(x-1, x-2\); give the path of one of them"):
        read_weights(tmp_path)
    text = moved.read_text().replace("x-2", "../../x-1")
    (tmp_path / "checkpoint").write_text(text)
    assert check(tmp_path).keys() == {"conv1/w", "conv1/one"}


@pytest.mark.fault(43)
@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_paths_that_tensorflow_misreads(tmp_path, name):
    plain = save_tf1(tmp_path / "plain" / "model.ckpt").parent
    (plain / "checkpoint").unlink()
    shutil.copytree(plain, tmp_path / name / "x")
    check(tmp_path / name / "x")
    check(tmp_path / name / "x" / "model.ckpt")


@pytest.mark.fault(43)
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_names_of_checkpoints_that_tensorflow_misreads(tmp_path, monkeypatch, name, version, links):
    if not links:
        monkeypatch.setattr(Path, "symlink_to", without_links)
    save_tf1(tmp_path / "plain" / "m", version)
    (tmp_path / name).mkdir()
    for path in (tmp_path / "plain").glob("m*"):
        shutil.copy(path, tmp_path / name / f"{name}1.ckpt{path.name[1:]}")
    check(tmp_path / name / f"{name}1.ckpt")
    if version == 2:
        check(tmp_path / name)


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="a folder without a checkpoint; give a run directory"):
        read_weights(tmp_path)


# Hostile ones, with right checksums.


def entry(**changed):
    made = tensor_bundle_pb2.BundleEntryProto(dtype=1, offset=0, size=24)
    for size in changed.pop("dims", (2, 3)):
        made.shape.dim.add(size=size)
    if changed.pop("sliced", False):
        made.slices.add().extent.add(start=0, length=10**12)
    made.shape.unknown_rank = changed.pop("unknown_rank", False)
    made.crc32c = masked_checksum(KERNEL.tobytes())
    for name, value in changed.items():
        setattr(made, name, value)
    return made.SerializeToString()


def write_bundle(folder, value, num_shards=1):
    header = tensor_bundle_pb2.BundleHeaderProto(num_shards=num_shards)
    header.version.producer = 1
    index = table([(b"", header.SerializeToString()), (b"conv1/w", value)])
    (folder / "m.index").write_bytes(index)
    (folder / "m.data-00000-of-00001").write_bytes(KERNEL.tobytes())
    return folder / "m"


def test_a_bundle_by_hand(tmp_path):
    check(write_bundle(tmp_path, entry()))


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    "value",
    [
        entry(dims=(-5,)), entry(dims=(2**62, 2**40)), entry(dims=(1,) * 300), entry(dims=(2**40,), size=2**42),
        entry(dims=(2**14, 2**14), size=2**30), entry(unknown_rank=True), entry(dtype=77), entry(shard_id=5),
        entry(offset=-8), entry(offset=2**60), entry(size=-1), entry(sliced=True), entry(size=20), entry(dtype=2),
        entry(dtype=7), b"\xff" * 5, b"",
    ],
)  # fmt: skip
def test_an_entry_that_lies_is_refused_without_taking_memory(tmp_path, value):
    """On some of these TensorFlow alone ends the process."""
    prefix = write_bundle(tmp_path, value)
    with (
        taking_less_than(20e6),
        pytest.raises(WeightsError, match=r"^cannot read weights from '\S+m': [^\n]*$"),
    ):
        read_weights(prefix)


@pytest.mark.fault(52)
def test_many_parts_are_refused(tmp_path):
    with pytest.raises(WeightsError):
        read_weights(write_bundle(tmp_path, entry(), num_shards=2**30))


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("shape", "length"),
    [((-5,), None), ((2**62, 2**40), None), ((2**33,), None), ((2,), 10**12), ((1,) * 300, None)],
)
def test_the_first_format_that_lies_is_refused(tmp_path, shape, length):
    header = saved_tensor_slice_pb2.SavedTensorSlices()
    header.meta.versions.producer = 1
    saved = header.meta.tensor.add(name="w", type=1)
    extent = saved.slice.add().extent.add()
    if length:
        extent.start, extent.length = 0, length
    for size in shape:
        saved.shape.dim.add(size=size)
    (tmp_path / "x").write_bytes(table([(b"", header.SerializeToString())]))
    with pytest.raises(WeightsError, match=r"^cannot read weights from '\S+x': [^\n]*$"):
        read_weights(tmp_path / "x")


@pytest.mark.fault(52)
def test_an_index_cut_anywhere_is_refused(tmp_path):
    whole = save_tf1(tmp_path / "m").with_name("m.index").read_bytes()
    check_index(whole)
    for size in range(len(whole)):
        (tmp_path / "m.index").write_bytes(whole[:size])
        with pytest.raises(WeightsError):
            read_weights(tmp_path / "m")


@pytest.mark.fault(52)
def test_garbled_tables_are_refused():
    good = table([(b"", b""), (b"w", entry())])
    check_index(good)
    for change in (b"\xff" * 8, struct.pack("<Q", 2**63)):
        for start in range(0, len(good) - 8, 3):
            with contextlib.suppress(Exception):  # but it ends
                check_index(good[:start] + change + good[start + 8 :])
