"""Which connections an address needs: HTTP/1.1, or gRPC."""

from typing import TYPE_CHECKING, Any, TypeAlias

from benchmark.engine.exchange import Connections

if TYPE_CHECKING:
    from benchmark.engine.grpc_exchange import GrpcConnections

AnyConnections: TypeAlias = "Connections | GrpcConnections"


def connections_to(url: str, *, reuse: bool, timeout_s: float, is_test: bool = True, **http: Any) -> AnyConnections:
    """The connections to `url`. `is_test` marks gRPC calls as test traffic; `http` is for `Connections`."""
    if url.startswith(("grpc://", "grpcs://")):
        from benchmark.engine.grpc_exchange import GrpcConnections  # needs grpcio, which is optional

        return GrpcConnections(url, reuse=reuse, timeout_s=timeout_s, is_test=is_test)
    return Connections(url, reuse=reuse, timeout_s=timeout_s, **http)
