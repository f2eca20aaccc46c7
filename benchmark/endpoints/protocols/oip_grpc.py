"""The Open Inference Protocol over gRPC: the same tensors as over REST, to the model at `HOST:PORT/NAME`."""

from importlib.util import find_spec

from benchmark.endpoints.protocols import OptionError
from benchmark.endpoints.protocols.oip import OIP


class OIPGrpc(OIP):
    """Bodies are those of REST; what sends them makes gRPC messages of them."""

    schemes = ("grpc", "grpcs")
    """An address without a scheme has the first."""

    def predict_url(self, address: str) -> str:
        """The model's address."""
        return address

    def info_urls(self, address: str) -> tuple[str, ...]:
        """The model's address, which answers with its metadata."""
        return (address,) if address.startswith(self.schemes) else ()


def configured(form: str | None, template: str | None) -> OIPGrpc:
    """Raises OptionError."""
    if not find_spec("grpc") or not find_spec("google.protobuf"):
        raise OptionError("speaks oip-grpc, which needs grpcio and protobuf: run make extras")
    return OIPGrpc(form, template)
