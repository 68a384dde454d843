"""datasets/catalogue.py: each row fits the loader that it names."""

import dataclasses
import pkgutil
import subprocess
import sys

import pytest

from datasets.catalogue import DATASETS, load_options
from datasets.errors import OptionError
from datasets.options.loading import LoadOptions

OPTIONS = {field.name: field.default for field in dataclasses.fields(LoadOptions)}


@pytest.mark.parametrize("name", DATASETS)
def test_a_row_names_a_loader_and_options_that_exist(name):
    entry = DATASETS[name]
    assert callable(pkgutil.resolve_name(entry.loader))
    assert entry.own_form is None or callable(pkgutil.resolve_name(entry.own_form))
    assert set(entry.unused) <= set(OPTIONS)
    defaults = load_options(name, None, {})
    assert dataclasses.asdict(defaults) == {**OPTIONS, **entry.defaults}


def test_an_option_that_a_set_does_not_use_is_refused_unless_it_is_the_default():
    options = LoadOptions(image_size=32, crop_size=32, test_fraction=0.2)
    assert load_options("cifar10", options, {"padding": 1}).padding == 1
    with pytest.raises(
        OptionError, match="test_fraction is 0.5, but the data set 'cifar10' has no such option; leave it out"
    ):
        load_options("cifar10", options, {"test_fraction": 0.5})


def test_the_table_is_imported_without_numpy():
    code = "import sys, datasets.catalogue; assert not {'numpy', 'PIL', 'requests', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
