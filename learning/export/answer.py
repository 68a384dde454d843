"""Ask an export for its answers, as a program without this project does.

    python -I answer.py FORMAT EXPORT QUESTIONS.npz ANSWERS.npz

This file is copied to an empty folder and run there in isolated mode, so it imports nothing of the project.
QUESTIONS has `images`, uint8 (N, H, W, C), and for a SavedModel `files`, the bytes of files one after the other,
and `ends`, where each ends. ANSWERS gets `probabilities`, float32 (N, K), and `class_names`, (K,); for a SavedModel
also `classes`, (N,), and the same for its signature `encoded`, with the decoded `pixels`.
"""

import json
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

PROJECT = ("datasets", "models", "learning")
BATCH_SIZE = 32
Arrays = dict[str, Any]


def main() -> None:
    """Load the export, ask it, and write its answers."""
    for name in PROJECT:  # which may be installed
        sys.modules[name] = None  # type: ignore[assignment]
    kind, path, questions, answers = sys.argv[1:]
    with np.load(questions, allow_pickle=False) as asked:
        np.savez(answers, **FORMATS[kind](path, dict(asked)))


def ask_saved_model(path: str, questions: Mapping[str, Any]) -> Arrays:
    """Return the answers of both signatures of a SavedModel."""
    import tensorflow.compat.v1 as tf

    with tf.Session(graph=tf.Graph()) as sess:
        signatures = tf.saved_model.load(sess, ["serve"], path).signature_def
        images = signatures["serving_default"].inputs["images"].name
        files = signatures["encoded"].inputs["encoded"].name
        outputs = {name: info.name for name, info in signatures["serving_default"].outputs.items()}
        found = in_batches(lambda batch: sess.run(outputs, {images: batch}), questions["images"])
        outputs = {name: info.name for name, info in signatures["encoded"].outputs.items()}
        encoded = in_batches(
            lambda batch: sess.run({**outputs, "pixels": images}, {files: batch}),
            split(questions["files"], questions["ends"]),
        )
        found["class_names"] = texts(sess.run("class_names:0"))
    return found | {f"encoded_{name}": values for name, values in encoded.items()}


def ask_tflite(path: str, questions: Mapping[str, Any]) -> Arrays:
    """Return the answers of a TFLite file, in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    file = f"{path}/model.tflite"
    interpreter = Interpreter(model_path=file)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = target["quantization"]  # (0.0, 0) for numbers

    def run(batch: Any) -> Arrays:
        interpreter.resize_tensor_input(source["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], batch)
        interpreter.invoke()
        values = interpreter.get_tensor(target["index"])
        return {"probabilities": (values.astype(np.float32) - zero_point) * scale if scale else values}

    with zipfile.ZipFile(file) as archive:
        names = json.loads(archive.read("facts.json"))["class_names"]
    return {**in_batches(run, questions["images"]), "class_names": np.array(names)}


def ask_onnx(path: str, questions: Mapping[str, Any]) -> Arrays:
    """Return the answers of an ONNX file, in onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{path}/model.onnx", providers=["CPUExecutionProvider"])

    def run(batch: Any) -> Arrays:
        return {"probabilities": session.run(["probabilities"], {"images": batch})[0]}

    facts = session.get_modelmeta().custom_metadata_map
    names = np.array(json.loads(facts["class_names"]))
    return {**in_batches(run, questions["images"]), "class_names": names}


def in_batches(run: Callable[[Any], Arrays], questions: Sequence[Any]) -> Arrays:
    """Return the answers of all batches, of which the last one may be smaller, as arrays by their names."""
    starts = range(0, len(questions), BATCH_SIZE)
    parts = [run(questions[start : start + BATCH_SIZE]) for start in starts]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: texts(values) if values.dtype == object else values for name, values in joined.items()}


def split(joined: Any, ends: Any) -> list[bytes]:
    """Return the files, each as bytes."""
    return [part.tobytes() for part in np.split(joined, ends[:-1])]


def texts(values: Any) -> Any:
    """Return TensorFlow's strings as an array of texts."""
    return np.array([value.decode() for value in values.tolist()])


FORMATS = {"saved_model": ask_saved_model, "tflite": ask_tflite, "onnx": ask_onnx}

if __name__ == "__main__":
    main()
