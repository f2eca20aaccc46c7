"""Idle gaps: how long and how often a traffic shape leaves an instance without requests."""

from benchmark.cost.traffic import MONTH_S, Traffic, blocks


def gaps(traffic: Traffic, requests_per_month: int) -> list[tuple[float, int]]:
    """Each distinct gap between requests in s, with the number of requests of one period that it follows."""
    shaped = traffic.with_enough(requests_per_month)
    arrivals = blocks(shaped, requests_per_month * shaped.period_s / MONTH_S)
    found = []
    for block, following in zip(arrivals, [*arrivals[1:], arrivals[0]], strict=True):
        spacing_s = block.duration_s / block.requests
        if block.requests > 1:
            found.append((spacing_s, block.requests - 1))
        until_s = following.start_s + (shaped.period_s if following.start_s <= block.start_s else 0.0)
        found.append((until_s - block.start_s - spacing_s * (block.requests - 1), 1))
    return found


def cold_share(traffic: Traffic, requests_per_month: int, idle_s: float) -> float:
    """The share of requests that follow an idle gap longer than `idle_s`."""
    found = gaps(traffic, requests_per_month)
    return sum(count for gap_s, count in found if gap_s > idle_s) / sum(count for _, count in found)


def longest_gap_s(traffic: Traffic, requests_per_month: int) -> float:
    """The longest time without a request."""
    return max(gap_s for gap_s, _ in gaps(traffic, requests_per_month))
