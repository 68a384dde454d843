"""learning/export/exporting.py: exports that answer as the run does are published, others leave nothing."""

import json
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from learning.errors import DirectoryInUseError, ExportError, UsageError
from learning.export import exporting
from learning.export.exporting import export_run
from learning.runs.directory import RunDirectory
from learning.runs.packaged_run import open_run

CLASSES = list("0123456789")


def needs(*names):
    for name in names:
        pytest.importorskip(name)


@pytest.fixture
def run(digits_run):
    return RunDirectory(digits_run)


def test_a_saved_model_answers_images_and_files(run, tmp_path):
    ((path, report),) = export_run(run, output=tmp_path, ten_crop=True)
    assert path == tmp_path / "saved_model"
    check = report["check"]
    assert check["images"] == check["same_class"] == 256
    assert check["largest_difference"] < check["tolerance"]
    assert check["encoded"]["images"] == 256
    assert (
        check["encoded"]["largest_difference_in_levels"] == 0
    )  # the digits have no files: PNGs of this size
    assert list(report["class_names"]) == CLASSES
    assert (report["image_shape"], report["num_crops"], report["temperature"]) == ((12, 12, 1), 10, None)
    written = json.loads((path / "export.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(report))
    files = {name: sha256((path / name).read_bytes()).hexdigest() for name in ["saved_model.pb"]}
    assert {name: file["sha256"] for name, file in report["files"].items()} == files
    with pytest.raises(
        DirectoryInUseError, match="saved_model exists; choose another --output, or remove it"
    ):
        export_run(run, output=tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved_model"]


def test_onnx_and_tflite_agree_and_hold_the_classes(run, light_exports):
    tflite, onnx = light_exports
    assert [export.path.relative_to(run.path) for export in light_exports] == [
        Path("export", "tflite"),
        Path("export", "onnx"),
    ]
    for export in light_exports:
        check = export.report["check"]
        assert (check["images"], check["source"]) == (256, "test set")
        assert check["largest_difference"] < 1e-4
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx.path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape, i.type) for i in session.get_inputs()] == [
        ("images", ["N", 12, 12, 1], "tensor(uint8)")
    ]
    assert [(o.name, o.shape, o.type) for o in session.get_outputs()] == [
        ("probabilities", ["N", 10], "tensor(float)")
    ]
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["class_names"]) == CLASSES
    assert json.loads(facts["resize"]) == "squash"
    with zipfile.ZipFile(tflite.path / "model.tflite") as archive:
        assert archive.read("labels.txt").decode().splitlines() == CLASSES


def test_integers_are_checked_by_accuracy(run, tmp_path):
    needs("ai_edge_litert")
    ((path, report),) = export_run(run, ["tflite"], tmp_path, int8=True)
    assert path.name == report["format"] == "tflite-int8"
    check = report["check"]
    assert check["has_labels"]
    assert check["accuracy_of_run"] > 0.5
    assert check["loss_of_accuracy"] == pytest.approx(check["accuracy_of_run"] - check["accuracy"], abs=1e-9)
    assert check["loss_of_accuracy"] <= 0.05
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path / "model.tflite"))
    details = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert [(d["dtype"], d["quantization"]) for d in details] == [
        (np.uint8, (1.0, 0)),
        (np.uint8, (1 / 256, 0)),
    ]


def with_another_mean(model, sess, *arguments, **options):
    """Build the graph of a network with a mean that is 0.02 larger, and give it its own one back."""
    mean = next(variable for variable in model.variables if variable.op.name == "preprocessing/mean")
    own = sess.run(mean)
    with model.graph.as_default():
        mean.load(own + 0.02, sess)
        graph_def = BUILD(model, sess, *arguments, **options)
        mean.load(own, sess)
    return graph_def


def with_classes_in_another_order(*arguments):
    """Describe an export whose first two classes have changed places."""
    contents = DESCRIBE(*arguments)
    first, second, *others = contents.class_names
    return contents._replace(class_names=(second, first, *others))


BUILD, DESCRIBE = exporting.inference_graph, exporting._contents


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    ("kind", "name", "broken", "message"),
    [
        (
            "onnx",
            "inference_graph",
            with_another_mean,
            r"answers 'digit\d+' by .* of \d+ images differ, .* nothing was kept",
        ),
        (
            "tflite",
            "_contents",
            with_classes_in_another_order,
            "class 0 of the export is '1', of the run '0'; nothing was kept",
        ),
    ],
)
def test_a_broken_export_is_refused_and_leaves_nothing(
    run, tmp_path, monkeypatch, kind, name, broken, message
):
    needs("ai_edge_litert", "tf2onnx", "onnxruntime")
    monkeypatch.setattr(exporting, name, broken)
    with pytest.raises(ExportError, match=message):
        export_run(run, [kind], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_published_run_needs_images():
    with pytest.raises(
        UsageError, match="efficientnet-lite0 has no images with it; give some .* --check DIR"
    ):
        export_run(open_run("efficientnet-lite0"))


def test_what_cannot_be_exported_is_said_before_the_work(run, monkeypatch):
    with pytest.raises(UsageError, match="no format is given; choose from saved_model, "):
        export_run(run, [])
    monkeypatch.setattr(exporting, "load_run", None)
    with pytest.raises(UsageError, match="--int8 is an option of --format tflite"):
        export_run(run, ["onnx"], int8=True)
    monkeypatch.setattr("learning.extras.find_spec", lambda name: None if "onnx" in name else name)
    with pytest.raises(UsageError, match=r"onnx needs onnx and tf2onnx and onnxruntime; install with pip"):
        export_run(run, ["onnx"])


def test_a_network_that_a_format_cannot_hold_is_refused(run, tmp_path, monkeypatch):
    needs("tf2onnx", "onnx", "onnxruntime")

    def write(contents, folder):
        raise ValueError("Unsupported op\nTheirOp")

    monkeypatch.setattr("learning.export.formats.onnx_file.write", write)
    with pytest.raises(
        ExportError, match="cannot be written as onnx: Unsupported op; choose another --format"
    ):
        export_run(run, ["onnx"], tmp_path)
    assert list(tmp_path.iterdir()) == []
