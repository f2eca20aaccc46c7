"""Header that marks test requests, which endpoints count separately from user requests.

Loads, cold starts, audits, scrapes and model card requests carry it. Compare on the Predict page does not, because a
user wants that answer.
"""

from collections.abc import Mapping
from types import MappingProxyType

from inference.contract import TEST_TRAFFIC, TRAFFIC_HEADER

TEST_HEADERS: Mapping[str, str] = MappingProxyType({TRAFFIC_HEADER: TEST_TRAFFIC})
