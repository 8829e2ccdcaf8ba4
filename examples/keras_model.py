"""A Keras model: quantised and run on the accelerator, or as it is on the CPU.

    KERAS_BACKEND=numpy python examples/keras_model.py [--device fsim|rtl|cpu]

Keras needs a backend to make a model; NumPy is enough for one that is trained already.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras
import numpy as np
from keras import layers

import dovetail as t
import dovetail.runtime as runtime
from dovetail.compiler.frontend.keras import keras_to_onnx


def small_network() -> keras.Model:
    """Two convolutions, an addition and a classifier for images [32, 32, 3]."""
    image = keras.Input((32, 32, 3), batch_size=1, name="image")
    x = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv1")(image)
    y = layers.Conv2D(32, 3, padding="same", name="conv2")(x)
    x = layers.ReLU(name="relu")(layers.Add(name="add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="pool")(layers.MaxPooling2D(name="max")(x))
    return keras.Model(image, layers.Dense(10, name="logits")(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="fsim", choices=("fsim", "rtl", "cpu"), help="default: fsim")
    device = parser.parse_args().device

    keras.utils.set_random_seed(0)
    model = small_network()
    images = np.random.default_rng(0).normal(size=(17, 1, 32, 32, 3)).astype(np.float32)

    if device == "cpu":
        target, (graph, params) = t.target.llvm(), t.frontend.from_keras(model)
    else:
        int8 = t.frontend.quantise(keras_to_onnx(model), [{"image": image} for image in images[1:]])
        target, (graph, params) = t.target.vdla(device=device), t.frontend.from_onnx(int8)
    graph, lib, params = t.compiler.build(graph, target, params)

    with runtime.create(graph, lib, device) as module:
        module.set_input(**params)
        module.run(image=images[0])
        print(f"{device}: ", np.round(module.get_output(0)[0], 3))
    print("Keras:", np.round(np.asarray(model(images[0]))[0], 3))


if __name__ == "__main__":
    main()
