"""Parts of documents."""

import pytest

from benchmarks.harness.markdown import rewrite
from learning.errors import UsageError


def test_lost_markers_are_named(tmp_path):
    begin, end = "<!-- begin table -->", "<!-- end table -->"
    path = tmp_path / "text.md"
    for text in ("", begin, f"{end}\n{begin}", f"{begin}{end}" * 2):
        path.write_text(text)
        with pytest.raises(UsageError, match="must hold the lines"):
            rewrite(path, "table", "new")
        assert path.read_text() == text


def test_only_what_stands_between_the_markers_changes(tmp_path):
    path = tmp_path / "text.md"
    path.write_text("before\n<!-- begin table -->\nold\n<!-- end table -->\nafter")
    rewrite(path, "table", "new")
    assert path.read_text() == "before\n<!-- begin table -->\n\nnew\n\n<!-- end table -->\nafter"
