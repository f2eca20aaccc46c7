"""The Open Inference Protocol over REST (KServe V2): tensors to `.../v2/models/NAME/infer`.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.endpoints import readable
from benchmark.endpoints.protocols import EXAMPLE, Form, NotEncodable, WrongSchema
from benchmark.endpoints.protocols.predictions import read_outputs
from benchmark.endpoints.protocols.rest import RestProtocol, alone, with_suffix
from benchmark.endpoints.sample import Answer
from inference.card import CardError, ModelCard

_MAX_TENSORS = 1000
_INTEGERS = frozenset(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input of the model: its name, datatype and shape, in which -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def columns(self) -> int | None:
        """How many values it takes of each row; None if its shape does not say."""
        if len(self.shape) < 2:
            return 1
        return self.shape[-1] if len(self.shape) == 2 and self.shape[-1] > 0 else None


class OIP(RestProtocol):
    """Sends one tensor of all features, or one for each if the model's metadata has those."""

    def __init__(self, form: str | None, template: str | None) -> None:
        forms = {
            "rows": Form(True, self._encode_rows, _split_outputs),
            "rows-single": Form(False, self._encode_rows, alone),
        }
        super().__init__("oip", forms, form, template)
        self._tensors: tuple[Tensor, ...] = ()

    def predict_url(self, address: str) -> str:
        """The model's address with /infer."""
        return with_suffix(address, "/infer")

    def info_urls(self, address: str) -> tuple[str, ...]:
        """The model's address, which answers with its metadata."""
        return (address.rstrip("/").removesuffix("/infer"),)

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """Learn the inputs' names, datatypes and shapes. Raises CardError."""
        self._tensors = read_tensors(document)
        example: dict[str, float | str] = {}
        for tensor in self._tensors:
            empty = "" if tensor.datatype == "BYTES" else 0.0
            count = tensor.columns
            if count is None or count > _MAX_TENSORS:
                return None, {}
            example |= {tensor.name if count == 1 else f"{tensor.name}_{at}": empty for at in range(count)}
        return None, {EXAMPLE: example} if example else {}

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """The outputs for one row. Raises WrongSchema."""
        return read_outputs({name: rows[0] for name, rows in _outputs(document, 1).items()}, card)

    def _encode_rows(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
        return json.dumps({"inputs": list(encode_tensors(self._tensors, names, rows))}).encode()


def read_tensors(document: Any) -> tuple[Tensor, ...]:
    """The inputs in a model's metadata; none if it does not name them. Raises CardError."""
    inputs = document.get("inputs", []) if isinstance(document, dict) and "name" in document else None
    if not isinstance(inputs, list) or len(inputs) > _MAX_TENSORS:
        raise CardError("it is not the metadata of a model")
    tensors = []
    for one in inputs:
        shape = one.get("shape") if isinstance(one, dict) else None
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            raise CardError("an input has no shape")
        if not isinstance(one.get("name"), str) or not isinstance(one.get("datatype"), str):
            raise CardError("an input has no name or datatype")
        tensors.append(Tensor(one["name"], one["datatype"], tuple(shape)))
    return tuple(tensors)


def encode_tensors(
    tensors: Sequence[Tensor], names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Sequence[Mapping[str, Any]]:
    """The request's inputs: one tensor of all columns, or one for each feature, as `tensors` say.

    Without `tensors`, one of FP64, or one of BYTES for each text beside those of numbers. Raises NotEncodable.
    """
    if not tensors and any(isinstance(value, str) for row in rows for value in row):
        texts = [any(isinstance(row[at], str) for row in rows) for at in range(len(names))]
        tensors = [Tensor(name, "BYTES" if text else "FP64", (-1, 1)) for name, text in zip(names, texts, strict=True)]
    if not tensors:
        tensors = [Tensor("input-0", "FP64", (-1, len(names)))]
    if len(tensors) == 1:
        (tensor,) = tensors
        if tensor.columns not in (None, len(names)):
            raise NotEncodable(f"takes {tensor.columns} values, not the {len(names)} of this input")
        shape = [len(rows), len(names)] if len(tensor.shape) != 1 else [len(rows) * len(names)]
        return [_tensor(tensor, shape, [value for row in rows for value in row])]
    if {tensor.name for tensor in tensors} != set(names):
        some = ", ".join(readable.name(tensor.name, 40) for tensor in tensors[:5])
        raise NotEncodable(f"takes other inputs than this model's: {some}")
    places = {name: at for at, name in enumerate(names)}
    return [
        _tensor(tensor, [len(rows)] + [1] * (len(tensor.shape) > 1), [row[places[tensor.name]] for row in rows])
        for tensor in tensors
    ]


def _tensor(tensor: Tensor, shape: list[int], values: list[Any]) -> Mapping[str, Any]:
    data = [_cast(value, tensor.datatype) for value in values]
    return {"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": data}


def _cast(value: Any, datatype: str) -> Any:
    """Whole numbers as integers where the tensor has those; anything else stays, for the endpoint to judge."""
    if datatype in _INTEGERS and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _outputs(document: Any, count: int) -> dict[str, list[Any]]:
    """The outputs by name, each with an entry for each of `count` rows. Raises WrongSchema."""
    outputs = document.get("outputs") if isinstance(document, dict) else None
    if not isinstance(outputs, list) or not 0 < len(outputs) <= _MAX_TENSORS:
        raise WrongSchema("the answer has no list of outputs")
    found: dict[str, list[Any]] = {}
    for one in outputs:
        data, name = (one.get("data"), one.get("name")) if isinstance(one, dict) else (None, None)
        if not isinstance(data, list) or not isinstance(name, str):
            raise WrongSchema("an output has no name or data")
        flat = _flattened(data)
        if not flat or len(flat) % count:
            raise WrongSchema(f"an output has {len(flat)} values for {count} {'row' if count == 1 else 'rows'}")
        width = len(flat) // count
        found[name] = [flat[start : start + width] for start in range(0, len(flat), width)]
    return found


def _flattened(data: list[Any]) -> list[Any]:
    """Tensors may be nested by row or flat."""
    return [value for row in data for value in row] if data and all(isinstance(row, list) for row in data) else data


def _split_outputs(document: Any, count: int) -> list[Any] | None:
    try:
        outputs = _outputs(document, count)
    except WrongSchema:
        return None
    return [{"outputs": [{"name": name, "data": rows[at]} for name, rows in outputs.items()]} for at in range(count)]


def configured(form: str | None, template: str | None) -> OIP:
    """Raises OptionError."""
    return OIP(form, template)
