"""ResNet-18 at 224x224: quantised, compiled, saved as one file, loaded and run.

    python examples/resnet18.py [--device fsim|rtl|cpu] [--save resnet18.dovetail]

Its weights are seeded random numbers, so the classes mean nothing; put a trained model in its place with
`from_onnx("model.onnx")`.
"""

from __future__ import annotations

import argparse
import time

import dovetail as t
import dovetail.runtime as runtime
from dovetail import networks
from dovetail.isa import module_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="fsim", choices=("fsim", "rtl", "cpu"), help="default: fsim")
    parser.add_argument("--save", default="resnet18.dovetail", metavar="FILE", help="default: resnet18.dovetail")
    options = parser.parse_args()

    model = t.frontend.quantise(networks.resnet18(seed=0), networks.calibration("resnet18", samples=16))
    graph, params = t.frontend.from_onnx(model)

    target = t.target.llvm(threads=2) if options.device == "cpu" else t.target.vdla(device=options.device)
    begin = time.perf_counter()
    plan, library, params = t.compiler.build(graph, target, params)
    print(f"compiled in {time.perf_counter() - begin:.1f} s")
    module_file.save(options.save, plan, library, params)

    plan, library, params = runtime.load(options.save)
    with runtime.create(plan, library, options.device) as module:
        module.set_input(**params)
        begin = time.perf_counter()
        module.run(**networks.calibration("resnet18", seed=1, samples=1)[0])
        print(f"ran in {time.perf_counter() - begin:.2f} s")
        if module.cycles is not None:
            print(f"{module.cycles:,} cycles")
        logits = module.get_output(0)[0]
    for index in logits.argsort()[:-6:-1]:
        print(f"class {index:3}: {logits[index]:.3f}")


if __name__ == "__main__":
    main()
