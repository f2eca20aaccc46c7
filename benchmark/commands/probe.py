"""`probe`: send one request to each endpoint, and show what was sent, what came back and what was read in it."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from math import isnan

from benchmark.commands import UsageError
from benchmark.commands.measuring import add_endpoints, allowed_hosts, parse_endpoints
from benchmark.endpoints.bodies import Bodies, card_for, card_on_this_machine, from_descriptions
from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.catalog import Served, fetch
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.evidence import Evidence
from benchmark.endpoints.probe import Probe, probe
from benchmark.endpoints.protocols import AUTO, DEFAULT, PROTOCOLS
from benchmark.endpoints.readable import readable
from benchmark.endpoints.sample import Answer
from benchmark.record.plan import PlanError, check_hosts
from benchmark.runs.requests import read_bodies
from inference.card import ModelCard

_SHOWN_CHARACTERS = 2000
_EVIDENCE: Mapping[str, str] = {
    "server_ms": "server duration (ms)",
    "instance_id": "instance",
    "instance_age_ms": "age of the instance (ms)",
    "request_count": "requests of the instance",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_endpoints(parser)
    parser.add_argument(
        "--body-from",
        default="card",
        metavar="card|FILE.csv",
        help="input to send: the card's default, or the first row of a CSV file (default card)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Probe the endpoints; returns the exit status: 0 if the answers of all were read, else 1.

    An endpoint for which no protocol is named is asked for the descriptions of all protocols.
    """
    endpoints = parse_endpoints(arguments)
    try:
        check_hosts(endpoints, allowed_hosts(arguments))
    except PlanError as error:
        raise UsageError(str(error)) from error
    named = {text.partition("=")[0] for text in arguments.protocol}
    with new_client() as client:
        asked = [
            one if one.protocol != DEFAULT or one.key in named else replace(one, protocol=AUTO) for one in endpoints
        ]
        served = [fetch(client, one) for one in asked]
        card = card_for(asked, served, arguments.body_from)
        of_any = from_descriptions(asked, served)
        if card is None and arguments.body_from == "card" and of_any is None:
            card = card_on_this_machine()
        problems = [f"{one.key} {told.problem}" for one, told in zip(asked, served, strict=True) if told.problem]
        all_read = True
        for endpoint, told in zip(asked, served, strict=True):
            described = from_descriptions([endpoint], [told]) or of_any
            try:
                bodies = read_bodies(arguments.body_from, card, problems, described)
            except PlanError as error:
                raise UsageError(str(error)) from error
            result = probe(client, endpoint, bodies.bodies[0], card)
            for line in lines(endpoint, told, bodies, card, result):
                print(line)
            all_read = all_read and result.judged.answer is not None
    return 0 if all_read else 1


def lines(endpoint: Endpoint, told: Served, bodies: Bodies, card: ModelCard | None, result: Probe) -> Iterator[str]:
    """What there is to say about one endpoint."""
    is_found, is_asked = endpoint.speaks != AUTO, endpoint.protocol == AUTO
    how = ", found by asking" if is_found else ", because none was found by asking"
    yield f"{endpoint.key} ({endpoint.speaks if is_found else DEFAULT}{how if is_asked else ''})"
    yield f"  model card:    {f'{told.card.title}, version {told.card.version}' if told.card else told.problem}"
    yield f"  input:         {bodies.source}"
    yield f"  POST           {endpoint.predict_url}"
    yield f"  body:          {_shown(result.sent) or 'nothing was sent'}"
    if result.status is not None and result.latency_ms is not None:
        yield f"  answer:        HTTP {result.status} after {result.latency_ms:.1f} ms, {len(result.received)} bytes"
        yield f"{'':17}{_shown(result.received)}"
    if result.judged.answer is None:
        why = result.judged.detail or (f"HTTP {result.status}" if result.status else result.judged.failure)
        yield f"  not read:      {why}"
        others = list(endpoint.spoken.forms)
        if result.status is not None and not is_found:
            yield f"  to try:        --protocol {endpoint.key}=PROTOCOL with one of {', '.join(PROTOCOLS)}"
        elif result.status is not None and 400 <= result.status < 500 and len(others) > 1:
            yield f"  to try:        --protocol {endpoint.key}={endpoint.speaks}:FORM with one of {', '.join(others)}"
        return
    yield from _read(result.judged.answer, card)
    yield from _evidence(result.evidence)
    if is_asked and endpoint.speaks not in (AUTO, DEFAULT):
        yield f'  to use it:     --protocol {endpoint.key}={endpoint.speaks}, or protocol = "{endpoint.speaks}"'


def _read(answer: Answer, card: ModelCard | None) -> Iterator[str]:
    if card and card.is_classifier:
        yield f"  class:         {answer.label} (position {int(answer.prediction)})"
    elif answer.label is not None:
        yield f"  class:         {answer.label} (position unknown without a model card)"
    else:
        value = answer.prediction
        yield f"  value:         {'unknown without a model card' if isnan(value) else f'{value:g}'}"
    if card and card.is_classifier:
        probabilities = answer.probabilities
        each = zip(card.classes, probabilities, strict=True) if probabilities else ()
        yield f"  probabilities: {', '.join(f'{name} {value:.4g}' for name, value in each) or 'unknown'}"


def _evidence(evidence: Evidence) -> Iterator[str]:
    known = {field.name: getattr(evidence, field.name) for field in fields(evidence)}
    told = [f"{_EVIDENCE[name]} {value}" for name, value in known.items() if value is not None]
    if told:
        yield f"  told:          {', '.join(told)}"
    if unknown := [_EVIDENCE[name] for name, value in known.items() if value is None]:
        yield f"  unknown:       {', '.join(unknown)}"


def _shown(data: bytes) -> str:
    """The beginning of `data` as text on one line."""
    text = " ".join(readable(data[: 4 * _SHOWN_CHARACTERS].decode("utf-8", "replace")).split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + " …"
