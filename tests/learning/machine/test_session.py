"""learning/machine/session.py: TensorFlow is imported without what training does not need."""

import subprocess
import sys


def test_training_starts_without_what_it_does_not_need():
    code = (
        "import os, sys, learning.evaluation.run_test, learning.inference.prediction, learning.optimizers\n"
        "print(sorted({'keras', 'matplotlib', 'skimage'} & set(sys.modules)))\n"
        "print(os.environ.get('TF_USE_LEGACY_KERAS'))\n"
        "import keras\n"
        "print(learning.machine.session.tf.keras.layers.Dense is keras.layers.Dense)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "None", "True"], done.stderr
