"""The parts of a set, and the names that their folders have."""

WHOLE, TRAIN, VAL, TEST = "whole", "train", "val", "test"  # whole: not parted yet
PART_OF = {  # folder names without regard to case
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation"), VAL),
    **dict.fromkeys(("test", "testing", "test1"), TEST),  # Kaggle's archives say test1
}
