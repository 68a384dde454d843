"""learning/findings/classes.py: weak classes are named, and those that chance made the worst are not."""

import numpy as np

from learning.findings.classes import weak_classes
from learning.findings.summary import findings
from learning.runs.files import read_run
from tests.support.pages import make_run, results


def said(tmp_path, **what):
    """The sentences about a run with these files."""
    return findings(read_run(make_run(tmp_path / "run", **what)))


class TestWeakClasses:
    def test_one_is_named_with_what_it_is_taken_for(self, tmp_path):
        matrix = [[95, 5, 0], [2, 98, 0], [8, 3, 9]]
        found = weak_classes(
            read_run(make_run(tmp_path / "run", names="abc", tested=results(matrix, "abc"))).tested
        )
        assert [(weak.name, weak.recall.right, weak.taken_for, weak.times) for weak in found] == [
            ("c", 9, "a", 8)
        ]
        assert (
            "Weakest class: 'c', 9 of 20 recognised (recall 0.4500 (95% interval"
            in said(tmp_path / "b", names="abc", tested=results(matrix, "abc"))[1]
        )

    def test_a_class_that_is_the_worst_by_chance_is_not_named(self, tmp_path):
        # 17 of 20 beside 57 of 60: p = 0.15 (Fisher)
        matrix = np.diag([17, 19, 19, 19])
        matrix[:, 0] += [3, 1, 1, 1]
        matrix[0] = [17, 3, 0, 0]
        sentence = said(tmp_path, names="abcd", tested=results(matrix, "abcd"))[1]
        assert sentence == "No class is clearly recognised less often than the others."

    def test_many_classes_of_pure_chance(self, tmp_path):
        """Of 200 classes whose true recall is 0.9, none may be called weak, or hardly one."""
        right = np.random.default_rng(0).binomial(30, 0.9, 200)
        matrix = np.diag(right)
        matrix[np.arange(200), (np.arange(200) + 1) % 200] = 30 - right
        names = [f"c{k}" for k in range(200)]
        assert (
            weak_classes(
                read_run(make_run(tmp_path / "r", names=names, tested=results(matrix, names))).tested
            )
            == []
        )

    def test_too_few_images(self, tmp_path):
        sentence = said(tmp_path, tested=results([[3, 1], [0, 4]], ("cat", "dog")))[1]
        assert sentence == "With 4 images per class on average, weak classes cannot be told from chance."

    def test_no_error_at_all(self, tmp_path):
        assert (
            said(tmp_path, tested=results([[50, 0], [0, 50]], ("a", "b")))[1] == "All of them are recognised."
        )
