"""datasets/storage/paths.py: digests of files."""

import hashlib

from datasets.storage.paths import file_digest


def test_the_digest_is_that_of_the_whole_content_however_many_pieces_it_has(tmp_path):
    for size in (0, 1, 2**20, 2**21 + 3):
        content = bytes(i % 251 for i in range(size))
        (tmp_path / "x").write_bytes(content)
        assert file_digest(tmp_path / "x") == hashlib.sha256(content).hexdigest()
