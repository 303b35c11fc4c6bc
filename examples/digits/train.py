# SPDX-License-Identifier: MIT
"""Trains the digit classifier and writes what aispipe needs to run it.

    python3 examples/digits/train.py DIRECTORY

writes DIRECTORY/digits.onnx, DIRECTORY/images/*.npy (the held-out quarter, one [1, 1, 8, 8] float32 image a
file) and DIRECTORY/labels.csv (which digit each of them shows). The digits are the 1,797 that scikit-learn
ships; nothing is downloaded.
"""

import argparse
import csv
import pathlib
import shutil
import time

import numpy as np
import onnx
from sklearn.datasets import load_digits

import export
import net

SEED = 20240229
EPOCHS = 25
HELD_OUT = 0.25


def load(seed=SEED):
    """(train images, train labels, held-out images, held-out labels); images [N, 1, 8, 8] in 0..1."""
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    cut = int(len(images) * HELD_OUT)
    held_out, train = order[:cut], order[cut:]
    return images[train], labels[train], images[held_out], labels[held_out]


def train(images, labels, seed=SEED, epochs=EPOCHS, report=None):
    network = net.Network(seed)
    net.fit(network, images, labels, epochs, seed, report=report)
    return network


def write_dataset(directory, images, labels):
    """One .npy an image, and labels.csv with a line `name,label` for each. Earlier images are removed."""
    folder = directory / "images"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with open(directory / "labels.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "label"])
        for i, (image, label) in enumerate(zip(images, labels)):
            name = "digit%03d" % i
            np.save(folder / (name + ".npy"), image[None])
            writer.writerow([name, int(label)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, help="where the model, images and labels go")
    directory = parser.parse_args().directory

    images, labels, test_images, test_labels = load()
    print("training on %d digits, holding out %d" % (len(images), len(test_images)), flush=True)
    begin = time.monotonic()
    network = train(
        images,
        labels,
        report=lambda epoch, loss: print("  epoch %2d/%d  loss %.4f" % (epoch, EPOCHS, loss), flush=True),
    )
    print("trained in %.1f s" % (time.monotonic() - begin))

    directory.mkdir(parents=True, exist_ok=True)
    onnx.save(export.to_onnx(network), str(directory / "digits.onnx"))
    write_dataset(directory, test_images, test_labels)
    print("wrote %s, %d images and labels.csv" % (directory / "digits.onnx", len(test_images)))


if __name__ == "__main__":
    main()
