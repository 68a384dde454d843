"""learning/terminal/image_files.py: the images that a command line names."""

import pytest

from datasets.errors import DataError
from learning.terminal.image_files import image_files


@pytest.mark.parametrize("name", ["cats.tar.gz", "cats.TGZ", "cats.tar.xz"])
def test_a_compressed_archive_is_not_taken_for_an_image(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"{name}' is compressed, .* decompress it, and give the .tar file"):
        image_files([str(tmp_path / name)])
