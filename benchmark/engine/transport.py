"""Which connections an address needs: HTTP/1.1, or gRPC."""

from typing import TYPE_CHECKING

from benchmark.engine.exchange import Connections

if TYPE_CHECKING:
    from benchmark.engine.grpc_exchange import GrpcConnections


def connections_to(url: str, *, reuse: bool, timeout_s: float) -> "Connections | GrpcConnections":
    """The connections for requests to `url`."""
    if url.startswith(("grpc://", "grpcs://")):
        from benchmark.engine.grpc_exchange import GrpcConnections  # needs grpcio, which is optional

        return GrpcConnections(url, reuse=reuse, timeout_s=timeout_s)
    return Connections(url, reuse=reuse, timeout_s=timeout_s)
