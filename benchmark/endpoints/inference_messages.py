"""The gRPC messages of the Open Inference Protocol that predictions need, and their equivalents in JSON over REST.

Names and numbers of fields are those of the published service `inference.GRPCInferenceService`; unknown fields are
skipped. https://github.com/kserve/open-inference-protocol/tree/main/specification/protocol
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from benchmark.endpoints.protocols import NotEncodable

INFER = "/inference.GRPCInferenceService/ModelInfer"
METADATA = "/inference.GRPCInferenceService/ModelMetadata"

_TYPES = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
}
_MESSAGES: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "ModelMetadataRequest": {1: ("name", "string"), 2: ("version", "string")},
    "TensorMetadata": {1: ("name", "string"), 2: ("datatype", "string"), 3: ("shape", "int64*")},
    "ModelMetadataResponse": {1: ("name", "string"), 3: ("platform", "string"), 4: ("inputs", "TensorMetadata*")},
    "InferTensorContents": {
        1: ("bool_contents", "bool*"),
        2: ("int_contents", "int32*"),
        3: ("int64_contents", "int64*"),
        4: ("uint_contents", "uint32*"),
        5: ("uint64_contents", "uint64*"),
        6: ("fp32_contents", "float*"),
        7: ("fp64_contents", "double*"),
        8: ("bytes_contents", "bytes*"),
    },
    "Tensor": {
        1: ("name", "string"),
        2: ("datatype", "string"),
        3: ("shape", "int64*"),
        5: ("contents", "InferTensorContents"),
    },
    "ModelInferRequest": {1: ("model_name", "string"), 2: ("model_version", "string"), 5: ("inputs", "Tensor*")},
    "ModelInferResponse": {
        1: ("model_name", "string"),
        2: ("model_version", "string"),
        5: ("outputs", "Tensor*"),
        6: ("raw_output_contents", "bytes*"),
    },
}
"""Fields by number: name and type, with a star if there may be several."""

_CONTENTS = {
    "BOOL": ("bool_contents", "?"),
    "INT8": ("int_contents", "b"),
    "INT16": ("int_contents", "h"),
    "INT32": ("int_contents", "i"),
    "INT64": ("int64_contents", "q"),
    "UINT8": ("uint_contents", "B"),
    "UINT16": ("uint_contents", "H"),
    "UINT32": ("uint_contents", "I"),
    "UINT64": ("uint64_contents", "Q"),
    "FP16": ("fp32_contents", "e"),
    "FP32": ("fp32_contents", "f"),
    "FP64": ("fp64_contents", "d"),
    "BYTES": ("bytes_contents", ""),
}
"""By datatype: the field of `InferTensorContents`, and the format of a raw value, which is little-endian."""


class NotAMessage(ValueError):
    """The bytes are not the expected message; the message says why in a clause."""


def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name="faceoff/inference.proto", package="faceoff", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = DescriptorProto(name=name)
        for number, (field, kind) in fields.items():
            base = kind.removesuffix("*")
            added = message.field.add(name=field, number=number)
            added.label = FieldDescriptorProto.LABEL_REPEATED if base != kind else FieldDescriptorProto.LABEL_OPTIONAL
            if base in _TYPES:
                added.type = _TYPES[base]
            else:
                added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".faceoff.{base}"
        file.message_type.append(message)
    pool = DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()


def new(name: str) -> Any:
    """An empty message of this name."""
    return GetMessageClass(_POOL.FindMessageTypeByName(f"faceoff.{name}"))()


def parsed(name: str, data: bytes) -> Any:
    """Raises NotAMessage."""
    message: Message = new(name)
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise NotAMessage("is not a message of the protocol") from None
    return message


def metadata_request(model: str) -> bytes:
    """The request for a model's metadata."""
    message = new("ModelMetadataRequest")
    message.name = model
    return bytes(message.SerializeToString())


def metadata_json(data: bytes) -> bytes:
    """A model's metadata as in REST. Raises NotAMessage."""
    message = parsed("ModelMetadataResponse", data)
    inputs = [{"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in message.inputs]
    return json.dumps({"name": message.name, "platform": message.platform, "inputs": inputs}).encode()


def infer_request(model: str, body: bytes) -> bytes:
    """The message for the body of a REST request. Raises NotEncodable."""
    message = new("ModelInferRequest")
    message.model_name = model
    try:
        for given in json.loads(body)["inputs"]:
            tensor = message.inputs.add()
            tensor.name, tensor.datatype = given["name"], given["datatype"]
            tensor.shape.extend(given["shape"])
            field, _ = _CONTENTS[given["datatype"]]
            data = [str(value).encode() for value in given["data"]] if field == "bytes_contents" else given["data"]
            getattr(tensor.contents, field).extend(data)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise NotEncodable(f"takes inputs of other types ({type(error).__name__})") from None
    return bytes(message.SerializeToString())


def infer_json(data: bytes) -> bytes:
    """The body of a REST answer for a message. Raises NotAMessage."""
    message = parsed("ModelInferResponse", data)
    raw = list(message.raw_output_contents)
    if raw and len(raw) != len(message.outputs):
        raise NotAMessage("has raw contents for another number of outputs")
    outputs = []
    for at, one in enumerate(message.outputs):
        if one.datatype not in _CONTENTS:
            raise NotAMessage("has an output of an unknown datatype")
        field, form = _CONTENTS[one.datatype]
        values = _unpacked(raw[at], form) if raw else list(getattr(one.contents, field))
        texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
        outputs.append({"name": one.name, "datatype": one.datatype, "shape": list(one.shape), "data": texts})
    return json.dumps({"model_name": message.model_name, "outputs": outputs}).encode()


def _unpacked(data: bytes, form: str) -> list[Any]:
    """The values in a raw tensor; texts are preceded by their length in four bytes. Raises NotAMessage."""
    try:
        if form:
            return [value for (value,) in struct.iter_unpack(f"<{form}", data)]
        texts, at = [], 0
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at)
            if at + 4 + length > len(data):
                raise NotAMessage("has raw contents that are cut off")
            texts.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        return texts
    except struct.error:
        raise NotAMessage("has raw contents of another length") from None
