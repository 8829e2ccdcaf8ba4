"""The trained network on all images for testing: float and int8 in ONNX Runtime, and on the accelerator.

python -m examples.digits.accuracy [--device fsim|rtl|cpu]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

import dovetail.runtime as runtime
import dovetail.target
from dovetail.compiler import build
from dovetail.compiler.frontend import from_onnx, quantise
from examples.digits.data import Digits, split

MODEL = Path(__file__).with_name("digits.onnx")
CALIBRATION_IMAGES = 200

Image = NDArray[np.float32]


def samples(digits: Digits) -> Iterator[dict[str, Image]]:
    """The model's inputs, an image at a time."""
    for index in range(len(digits.images)):
        yield {"data": digits.images[index : index + 1]}


def quantised() -> onnx.ModelProto:
    """The model in int8, calibrated with images for training."""
    train = split()[0]
    model: onnx.ModelProto = quantise(onnx.load(MODEL), list(samples(train))[:CALIBRATION_IMAGES])
    return model


def right(test: Digits, logits: Callable[[dict[str, Image]], Image]) -> int:
    """How many images' largest logit is that of their digit."""
    return sum(int(logits(sample).argmax()) == label for sample, label in zip(samples(test), test.labels, strict=True))


def in_onnx_runtime(model: onnx.ModelProto, test: Digits) -> int:
    """How many images ONNX Runtime gets right."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return right(test, lambda sample: np.asarray(session.run(None, sample)[0]))


def on_device(model: onnx.ModelProto, test: Digits, device: str) -> int:
    """How many images a device gets right: fsim, rtl, or cpu."""
    graph, params = from_onnx(model)
    target = dovetail.target.llvm() if device == "cpu" else dovetail.target.vdla(device=device)
    plan, library, params = build(graph, target, params)
    with runtime.create(plan, library, device) as module:
        module.set_input(**params)

        def logits(sample: dict[str, Image]) -> Image:
            module.run(**sample)
            return module.get_output(0)

        return right(test, logits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="fsim", choices=("fsim", "rtl", "cpu"), help="default: fsim")
    device = parser.parse_args().device
    test = split()[1]
    model = quantised()
    counts = {
        "float, ONNX Runtime": in_onnx_runtime(onnx.load(MODEL), test),
        "int8, ONNX Runtime": in_onnx_runtime(model, test),
        f"int8, {device}": on_device(model, test, device),
    }
    images = len(test.labels)
    print(f"{'':22}{'right':>6} of {images:<6}{'accuracy':>9}{'to float':>10}")
    first = next(iter(counts.values()))
    for name, count in counts.items():
        points = 100 * (count - first) / images
        print(f"{name:22}{count:>6}{'':10}{count / images:>9.2%}{points:>+8.2f} points")


if __name__ == "__main__":
    main()
