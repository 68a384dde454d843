# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A run from a notebook
#
# `fit` does what `train.py` does. Open this file as a notebook with Jupyter and jupytext, or run it with Python.

# %%
import csv
import tempfile
from pathlib import Path

from learning.config import RunConfig
from learning.fit import fit

# %% [markdown]
# The options have the same names as in recipes. Options that are not set have their defaults.

# %%
config = RunConfig.from_dict(
    {
        "data": {"name": "digits"},
        "model": {"name": "smallnet", "weight_decay_on": "weights"},
        "optimizer": {"name": "nesterov", "init_learning_rate": 0.05},
        "schedule": {"name": "cosine"},
        "train": {"batch_size": 64, "num_epochs": 3, "augment_pred": False},
    }
)

# %% [markdown]
# A run directory holds everything about the run: weights, history, scores, and a page, `index.html`.

# %%
run_dir = Path(tempfile.mkdtemp()) / "digits"
results = fit(config, run_dir)

# %%
with (run_dir / "history.csv").open(encoding="utf-8", newline="") as file:
    for row in csv.DictReader(file):
        print(f"epoch {row['epoch']}: validation accuracy {float(row['val_score']):.4f}")
print(f"test accuracy: {results['scores'][0]['accuracy']:.4f}")
print("the page of the run:", run_dir / "index.html")
