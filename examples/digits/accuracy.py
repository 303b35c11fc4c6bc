# SPDX-License-Identifier: MIT
"""Computes the accuracy of a classifier from the files that aispipe wrote.

    python3 examples/digits/accuracy.py RESULTS LABELS [--at-least 0.95]

RESULTS holds <name>_0.npy (output 0 of each sample), LABELS is a CSV file with the columns name and label.
Exit status: 0, or 1 when a result is missing or the accuracy is below --at-least.
"""

import argparse
import csv
import pathlib
import sys

import numpy as np


def read_labels(path):
    """[(name, label)] of the CSV file."""
    with open(path, newline="", encoding="utf-8") as file:
        return [(row["name"], int(row["label"])) for row in csv.DictReader(file)]


def predicted_class(path):
    """Index of the largest value of one result file."""
    scores = np.load(path, allow_pickle=False)
    if scores.size == 0 or not np.isfinite(scores).all():
        raise ValueError("%s: shape %s holds no finite scores" % (path, scores.shape))
    return int(scores.argmax())


def count_correct(results, labels):
    """How many of the labelled samples were classified as their label says."""
    return sum(predicted_class(results / (name + "_0.npy")) == label for name, label in labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path, help="directory with the result files")
    parser.add_argument("labels", type=pathlib.Path, help="CSV file with the columns name and label")
    parser.add_argument("--at-least", type=float, default=0.0, metavar="A", help="fail below this accuracy")
    arguments = parser.parse_args()

    try:
        labels = read_labels(arguments.labels)
        correct = count_correct(arguments.results, labels)
    except (OSError, ValueError, KeyError) as error:
        sys.exit("accuracy.py: %s" % error)
    if not labels:
        sys.exit("accuracy.py: %s: no labels" % arguments.labels)

    accuracy = correct / len(labels)
    print("accuracy: %.4f (%d of %d, from the files in %s)" % (accuracy, correct, len(labels), arguments.results))
    if accuracy < arguments.at_least:
        sys.exit("accuracy.py: %.4f is below the %.2f that is expected" % (accuracy, arguments.at_least))


if __name__ == "__main__":
    main()
