"""The programs train, test and predict, and the command line of train.py."""
