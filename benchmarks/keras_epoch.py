"""The Keras side of benchmarks/epoch.py: one fit whose epochs begin when a line comes in and end with their seconds.

Runs in an environment of requirements-keras.txt; arguments: the .npz with tokens (N, T) and labels (N,), the number of
threads, of epochs, the batch size. The first epoch compiles.
"""

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf


class EpochTimer(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        sys.stdin.readline()
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        print(json.dumps(time.perf_counter() - self.start), flush=True)


def main():
    file, threads, epochs, batch_size = sys.argv[1], *map(int, sys.argv[2:5])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(141)
    data = np.load(file)
    model = keras.Sequential(
        [
            keras.layers.Embedding(2000, 128),
            keras.layers.SpatialDropout1D(0.4),
            keras.layers.LSTM(196),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    print(json.dumps(f"Keras {keras.__version__} on TensorFlow {tf.__version__}"), flush=True)
    model.fit(data["tokens"], data["labels"], batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[EpochTimer()])


if __name__ == "__main__":
    main()
