import threading

import pytest

from datasets.storage.parallel import in_order


@pytest.mark.parametrize("workers", [1, 4, None])
def test_results_come_in_the_order_of_the_tasks(workers):
    done = [threading.Event() for _ in range(40)]

    def work(number):
        if workers == 4 and number % 2 == 0:  # each second task ends before the one in front of it
            assert done[number + 1].wait(300)
        done[number].set()
        return number * 10

    assert list(in_order(work, range(40), workers)) == [number * 10 for number in range(40)]
    assert list(in_order(work, [], workers)) == []


def test_no_more_than_a_few_tasks_are_ahead():
    taken = []

    def tasks():
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, tasks(), 2)
    assert next(results) == 0
    assert len(taken) == 6
    results.close()
    assert len(taken) == 6


def test_what_a_task_raises_comes_out_and_the_rest_is_not_done():
    done = []

    def work(number):
        if number == 5:
            raise LookupError("five")
        done.append(number)
        return number

    results = in_order(work, range(1000), 2)
    with pytest.raises(LookupError, match="five"):
        list(results)
    assert len(done) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
