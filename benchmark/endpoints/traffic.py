"""What says of a request that it measures or audits: the endpoints count it apart from what their users send.

Load, cold starts, audits, scrapes and model cards carry it. A person's Compare on the Predict page does not: somebody
wants that answer.
"""

from collections.abc import Mapping
from types import MappingProxyType

from inference.contract import TEST_TRAFFIC, TRAFFIC_HEADER

TEST_HEADERS: Mapping[str, str] = MappingProxyType({TRAFFIC_HEADER: TEST_TRAFFIC})
