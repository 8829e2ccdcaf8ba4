"""Operators that are functions of others: those of the model, and those that ONNX defines so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, TypeProto, defs, helper

from dovetail.compiler.frontend.errors import FrontendError
from dovetail.compiler.graph.graph import Value

from .limits import Unsupported


class Functions:
    """The functions that a model can use.

    Raises
    ------
    FrontendError:
        The model defines one twice.
    """

    def __init__(self, model: ModelProto) -> None:
        self._local: dict[tuple[str, str], FunctionProto] = {}
        for function in model.functions:
            key = (function.domain, function.name)
            if key in self._local:
                raise FrontendError(f"the model defines the function {function.domain}.{function.name} twice")
            self._local[key] = function

    def local(self, node: NodeProto) -> FunctionProto | None:
        """The model's own function of the node's name."""
        return self._local.get((node.domain, node.op_type))

    def known(self, node: NodeProto, opsets: Mapping[str, int]) -> bool:
        """Whether there may be a function for the node."""
        schema = _schema(node, opsets)
        body = schema is not None and (schema.has_function or schema.has_context_dependent_function)
        return bool(body) or self.local(node) is not None

    def standard(
        self,
        node: NodeProto,
        attributes: Mapping[str, AttributeProto],
        inputs: Sequence[Value | None],
        opsets: Mapping[str, int],
    ) -> FunctionProto | None:
        """ONNX's definition of the node's operator by others, for these attributes and types, if it has one.

        Raises
        ------
        Unsupported:
            An operand that it needs is left out.
        """
        schema = _schema(node, opsets)
        if schema is None:
            return None
        for number, formal in enumerate(schema.inputs):
            given = inputs[number] if number < len(inputs) else None
            if formal.option == defs.OpSchema.FormalParameterOption.Single and given is None:
                raise Unsupported(f"operand {number} ({formal.name}) is missing")
        version = opsets.get("" if node.domain == "ai.onnx" else node.domain, 1)
        body = b""
        if schema.has_function:
            body = schema.get_function_with_opset_version(_newest(schema.function_opset_versions, version))
        elif schema.has_context_dependent_function:
            plain = NodeProto()
            plain.CopyFrom(node)
            del plain.attribute[:]
            plain.attribute.extend(attributes.values())
            for attribute, name in zip(plain.attribute, attributes, strict=True):
                attribute.name = name
            body = schema.get_context_dependent_function_with_opset_version(
                _newest(schema.context_dependent_function_opset_versions, version),
                plain.SerializeToString(),
                [_type_of(value) for value in inputs],
            )
        if not body:
            return None
        function = FunctionProto()
        function.ParseFromString(body)
        defaults = [
            attribute.default_value
            for name, attribute in schema.attributes.items()
            if attribute.default_value.name and name not in attributes
        ]
        function.attribute_proto.extend(defaults)
        return function


def _schema(node: NodeProto, opsets: Mapping[str, int]) -> Any:
    """The newest definition, a `defs.OpSchema`, of which the stubs leave out functions; None if there is none."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        return defs.get_schema(node.op_type, opsets.get(domain, 1), domain)
    except (defs.SchemaError, TypeError):  # the version may be more than an int32
        return None


def _newest(versions: Sequence[int], version: int) -> int:
    return max((one for one in versions if one <= version), default=versions[0])


def _type_of(value: Value | None) -> bytes:
    if value is None:
        return bytes(TypeProto().SerializeToString())
    code = helper.np_dtype_to_tensor_dtype(value.type.numpy)
    kind: onnx.TypeProto = helper.make_tensor_type_proto(code, list(value.type.shape))
    return bytes(kind.SerializeToString())
