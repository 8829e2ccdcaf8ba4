"""A transformer's encoder: products of matrices on the accelerator, the rest on the CPU.

python examples/transformer.py [--device fsim|rtl|cpu]
"""

from __future__ import annotations

import argparse

import numpy as np
import onnxruntime

import dovetail as t
import dovetail.runtime as runtime
from dovetail import networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="fsim", choices=("fsim", "rtl", "cpu"), help="default: fsim")
    device = parser.parse_args().device

    encoder = networks.transformer(seed=0)
    model = t.frontend.quantise(encoder, networks.calibration("transformer", samples=16))
    graph, params = t.frontend.from_onnx(model)
    target = t.target.llvm() if device == "cpu" else t.target.vdla(device=device)
    plan, library, params = t.compiler.build(graph, target, params)

    total = sum(layer.macs for layer in plan.layers)
    accelerated = sum(layer.macs for layer in plan.layers if layer.on_accelerator)
    print(f"{accelerated / total:.1%} of {total:,} multiplications on the accelerator; on the CPU:")
    for layer in plan.layers:
        if layer.reason:
            print(f"  {layer.name} ({layer.op}): {layer.reason}")

    sample = networks.calibration("transformer", seed=1, samples=1)[0]
    with runtime.create(plan, library, device) as module:
        module.set_input(**params)
        module.run(**sample)
        encoded = module.get_output(0)
    session = onnxruntime.InferenceSession(encoder.SerializeToString(), providers=["CPUExecutionProvider"])
    difference = encoded - np.asarray(session.run(None, sample)[0])
    print(f"root of the mean square: {encoded.std():.3f}; of the difference to float: {difference.std():.3f}")


if __name__ == "__main__":
    main()
