"""Model files: read, and checked before anything is made of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, checker, helper

from dovetail.compiler.frontend.errors import FrontendError

from .limits import MAX_BYTES, MAX_DEPTH, MAX_NODES

OLDEST = 1
"""The oldest opset; all later ones that `onnx` knows are read."""
DOMAINS = ("", "ai.onnx")
"""Names of ONNX's own domain."""


@dataclass(frozen=True)
class Source:
    """A model.

    Attributes
    ----------
    label:
        How messages call it.
    folder:
        Of its file, None where there is none.
    """

    proto: ModelProto
    label: str
    folder: Path | None

    @property
    def opsets(self) -> dict[str, int]:
        """The version of each domain."""
        return opsets_of(self.proto.opset_import)


def opsets_of(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """The version of each domain, ONNX's own under the empty name."""
    return {"" if entry.domain in DOMAINS else entry.domain: entry.version for entry in imports}


def read_model(model: ModelProto | str | Path | bytes) -> Source:
    """A model that ONNX's checker accepts and whose values each have one name.

    Raises
    ------
    FrontendError:
        It cannot be read, or is no well-formed model.
    """
    source = _source(model)
    proto, label = source.proto, source.label
    if not proto.HasField("graph") or not proto.graph.output:
        raise FrontendError(f"{label}: not an ONNX model: it has no graph with outputs")
    _check_texts((entry.domain for entry in proto.opset_import), label)
    if not proto.opset_import and proto.ir_version >= 3:
        raise FrontendError(f"{label}: the model names no opset; opset_import must have one")
    version = source.opsets.get("", OLDEST)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= version <= newest:
        raise FrontendError(
            f"{label}: opset {version} is unsupported; {OLDEST} to {newest} are: onnx.version_converter changes it"
        )
    _check_names(proto.graph, label, set(), 0)
    for function in proto.functions:
        _check_texts((function.name, function.domain, *function.input, *function.output), label)
        _check_nodes(function.node, label)
    return source


def check_model(source: Source) -> None:
    """Lets ONNX's checker look at the model, whose weights are left out.

    Raises
    ------
    FrontendError:
        With the checker's words.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checker.check_model(skeleton(source.proto))
    except (checker.ValidationError, ValueError, RuntimeError, TypeError, EncodeError) as error:
        raise FrontendError(f"{source.label}: not a valid model: {error}") from None


def skeleton(proto: ModelProto) -> ModelProto:
    """The model with its weights as inputs, and with types for outputs that have none."""
    graph = proto.graph
    declared = {value.name for value in graph.input}
    weights = [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in graph.initializer
        if tensor.name not in declared
    ]
    bare = ModelProto(
        ir_version=proto.ir_version,
        opset_import=proto.opset_import,
        functions=proto.functions,
        graph=GraphProto(
            name=graph.name or "graph",
            node=graph.node,
            input=[*graph.input, *weights],
            output=graph.output,
            value_info=graph.value_info,
            sparse_initializer=graph.sparse_initializer,
        ),
    )
    for value in bare.graph.output:
        if not value.HasField("type"):
            value.type.tensor_type.elem_type = TensorProto.FLOAT
        if value.type.WhichOneof("value") == "tensor_type":
            value.type.tensor_type.shape.SetInParent()
    return bare


def _source(model: ModelProto | str | Path | bytes) -> Source:
    if isinstance(model, ModelProto):
        return Source(model, model.graph.name or "model", None)
    if isinstance(model, bytes):
        return Source(_parsed(model, "model"), "model", None)
    path = Path(model)
    label = str(model)
    try:
        if not path.is_file():
            raise FrontendError(f"{label}: {'is a folder' if path.is_dir() else 'no such file'}")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FrontendError(
                f"{label}: {size} bytes; at most {MAX_BYTES} are allowed: keep weights as external data"
            )
        content = path.read_bytes()
    except OSError as error:
        raise FrontendError(f"{label}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        if isinstance(error, FrontendError):
            raise
        raise FrontendError(f"{label!r}: no such file: {error}") from None
    return Source(_parsed(content, label), label, path.parent)


def _parsed(content: bytes, label: str) -> ModelProto:
    proto = ModelProto()
    try:
        proto.ParseFromString(content)
    except (DecodeError, RecursionError):
        raise FrontendError(f"{label}: not an ONNX model, or cut off: its {len(content)} bytes do not parse") from None
    return proto


def _check_names(graph: GraphProto, label: str, visible: set[str], depth: int) -> None:
    """Every value has one name and is computed before it is read. `visible` are the names outside."""
    if depth > MAX_DEPTH:
        raise FrontendError(f"{label}: subgraphs are more than {MAX_DEPTH} deep")
    if len(graph.node) > MAX_NODES:
        raise FrontendError(f"{label}: {len(graph.node)} nodes; at most {MAX_NODES} are allowed")
    _check_nodes(graph.node, label)
    weights = [tensor.name for tensor in graph.initializer]
    inputs = [value.name for value in graph.input]
    outputs = [value.name for value in graph.output]
    _check_texts((graph.name, *weights, *inputs, *outputs), label)
    for kind, names in (("initializer", weights), ("input", inputs)):
        _check_unique(names, kind, label)
    computed = {name for node in graph.node for name in node.output if name}
    known = {*weights, *inputs, *(tensor.values.name for tensor in graph.sparse_initializer)}
    added = known - visible
    visible |= added
    for node in graph.node:
        for name in node.input:
            if name and name not in visible:
                where = f"{label}: node {node_name(node)} reads {name!r}, which "
                if name in computed:
                    raise FrontendError(where + "is computed only after it: the nodes are out of order or in a cycle")
                raise FrontendError(where + "nothing computes: it is no input, initializer or output of a node")
        for attribute in node.attribute:
            for inner in _graphs(attribute):
                _check_names(inner, label, visible, depth + 1)
        for name in filter(None, node.output):
            if name in known:
                raise FrontendError(f"{label}: the value {name!r} is computed twice, again by node {node_name(node)}")
            known.add(name)
            if name not in visible:
                added.add(name)
                visible.add(name)
    for value in graph.output:
        if value.name not in visible:
            raise FrontendError(f"{label}: the output {value.name!r} is computed by no node")
    visible -= added


def _check_nodes(nodes: Iterable[NodeProto], label: str) -> None:
    for node in nodes:
        names = (attribute.name for attribute in node.attribute)
        _check_texts((node.name, node.op_type, node.domain, *node.input, *node.output, *names), label)


def _check_texts(texts: Iterable[object], label: str) -> None:
    """protobuf gives bytes where a text is not UTF-8."""
    for text in texts:
        if not isinstance(text, str):
            raise FrontendError(f"{label}: not a valid model: the name {text!r} is not UTF-8")


def _graphs(attribute: AttributeProto) -> list[GraphProto]:
    return [attribute.g, *attribute.graphs] if attribute.HasField("g") else list(attribute.graphs)


def _check_unique(names: list[str], kind: str, label: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not name:
            raise FrontendError(f"{label}: an {kind} has no name")
        if name in seen:
            raise FrontendError(f"{label}: two {kind}s are named {name!r}")
        seen.add(name)


def node_name(node: NodeProto) -> str:
    """The node's name, or one made of its operator and its first output."""
    return node.name or f"{node.op_type}:{next(filter(None, node.output), '')}"
