"""A transport for gRPC addresses that imports grpcio when it is first used: most sessions never do."""

import httpx


class LazyGrpcTransport(httpx.BaseTransport):
    """Passes requests on to `GrpcTransport`."""

    def __init__(self) -> None:
        self._transport: httpx.BaseTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As `GrpcTransport` does."""
        if self._transport is None:
            from benchmark.endpoints.grpc_transport import GrpcTransport

            self._transport = GrpcTransport()
        return self._transport.handle_request(request)

    def close(self) -> None:
        """Close what was opened."""
        if self._transport is not None:
            self._transport.close()
