"""Quantised models in which a layer and what is done to its result are rounded once."""

from __future__ import annotations

from collections import defaultdict

from onnx import ModelProto, NodeProto

LINEAR = ("Conv", "Gemm", "MatMul")
BOUNDS = ("Relu", "Clip")


def round_once(model: ModelProto, original: ModelProto) -> None:
    """Takes the QuantizeLinear and DequantizeLinear out between a layer and its bias, addition and activation.

    Of two layers that are added to one another the later one is not rounded. A bias that the quantiser made int8 of
    becomes float again: it is part of an int32 sum.

    Parameters
    ----------
    model:
        As the quantiser made it; is changed.
    original:
        What it was made of.
    """
    _restore_biases(model, original)
    layers = _Layers(model)
    pairs = [pair for node in model.graph.node for pair in layers.between(node)]
    for quantize, dequantize in pairs:
        for node in model.graph.node:
            for at, name in enumerate(node.input):
                if name == dequantize.output[0]:
                    node.input[at] = quantize.input[0]
        model.graph.node.remove(quantize)
        model.graph.node.remove(dequantize)
    _drop_unread(model)


def _restore_biases(model: ModelProto, original: ModelProto) -> None:
    floats = {tensor.name: tensor for tensor in original.graph.initializer}
    layers = _Layers(model)
    present = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Add" or not layers.is_layer(node.output[0]):
            continue
        for at, name in enumerate(node.input):
            plain = layers.constant(name)
            if plain in floats:
                node.input[at] = plain
                if plain not in present:
                    model.graph.initializer.append(floats[plain])
                    present.add(plain)
    _drop_unread(model)


class _Layers:
    """What of a quantised model is a layer: a convolution or product, perhaps with a constant added."""

    def __init__(self, model: ModelProto) -> None:
        self.producers = {name: node for node in model.graph.node for name in node.output}
        self.places = {name: at for at, node in enumerate(model.graph.node) for name in node.output}
        self.outputs = {value.name for value in model.graph.output}
        self.constants = {tensor.name for tensor in model.graph.initializer}
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self.readers[name].append(node)

    def constant(self, name: str) -> str | None:
        """The name of the tensor that `name` is the quantised form of, if it is a constant."""
        node = self.producers.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[0] not in self.constants:
            return None
        name = str(node.input[0])
        return name.removesuffix("_quantized")

    def before(self, name: str) -> str:
        """What is quantised and dequantised to give `name`; itself if nothing is."""
        dequantize = self.producers.get(name)
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            return name
        quantize = self.producers.get(dequantize.input[0])
        return name if quantize is None or quantize.op_type != "QuantizeLinear" else quantize.input[0]

    def is_layer(self, name: str) -> bool:
        node = self.producers.get(self.before(name))
        if node is None or node.op_type in LINEAR:
            return node is not None
        if node.op_type != "Add":
            return False
        others = [part for part in node.input if part not in self.constants and self.constant(part) is None]
        return len(others) == 1 and self.is_layer(others[0])

    def between(self, node: NodeProto) -> list[tuple[NodeProto, NodeProto]]:
        """The pairs in front of `node` that it does without."""
        result = self.readers[node.output[0]] if node.output else []
        if [reader.op_type for reader in result] != ["QuantizeLinear"] or node.output[0] in self.outputs:
            return []
        if node.op_type in BOUNDS:
            source = self.producers.get(self.before(node.input[0]))
            wanted = [node.input[0]] if source is not None and source.op_type in (*LINEAR, "Add") else []
        elif node.op_type == "Add":
            layers = [name for name in node.input if self.is_layer(name) and self.pair(name)]
            wanted = sorted(layers, key=lambda name: self.places[self.before(name)])[-1:]
        else:
            wanted = []
        pairs = [self.pair(name) for name in wanted]
        return [pair for pair in pairs if pair is not None]

    def pair(self, name: str) -> tuple[NodeProto, NodeProto] | None:
        """QuantizeLinear and DequantizeLinear that give `name`, if nothing else depends on them."""
        source = self.before(name)
        if source == name:
            return None
        dequantize = self.producers[name]
        for one in (source, dequantize.input[0], name):
            if len(self.readers[one]) != 1 or one in self.outputs:
                return None
        return self.producers[dequantize.input[0]], dequantize


def _drop_unread(model: ModelProto) -> None:
    """Removes DequantizeLinear and constants that nothing reads any more."""
    kept = {value.name for value in model.graph.output} | {name for node in model.graph.node for name in node.input}
    for node in [node for node in model.graph.node if node.op_type == "DequantizeLinear"]:
        if node.output[0] not in kept:
            model.graph.node.remove(node)
    read = {name for node in model.graph.node for name in node.input} | {value.name for value in model.graph.output}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in read]:
        model.graph.initializer.remove(tensor)
