from datasets.augment.crops import AUGMENTATIONS


def test_every_augmentation_draws_from_a_stream_of_its_own():
    streams = [0, 1, *(augmentation.stream for augmentation in AUGMENTATIONS)]  # 0: the order, 1: the windows
    assert len(set(streams)) == len(streams)
