"""What all sessions of one dashboard process share: settings, client, sender, catalog, sampler, record and launcher."""

import os
from collections.abc import Iterable, Sequence
from functools import partial

import httpx
import streamlit as st

from benchmark.cost.prices import Prices, load_prices
from benchmark.endpoints import readable
from benchmark.endpoints.bodies import card_in
from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.catalog import Catalog, Served
from benchmark.launch import Launcher
from benchmark.monitor.sampler import Measuring, Sampler
from benchmark.monitor.scrape import Watch
from benchmark.observation.sender import Sender
from benchmark.record.history import History
from benchmark.record.journal import recover
from benchmark.record.store import Store, StoreError
from benchmark.runs import UnknownKind, kind_of_run
from dashboard.components import theme
from dashboard.components.theme import Palette
from dashboard.components.training_rows import TrainingRows, load
from dashboard.settings import Settings
from dashboard.visitor import VISITOR_COOKIE, is_secret, new_secret, owner_of
from inference.card import ModelCard


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return Settings.from_env(os.environ)


def palette() -> Palette:
    """The colours of the browser's theme, with those of the configured endpoints."""
    return theme.palette(st.context.theme.type).of(settings().endpoints)


def show_edges(keys: Iterable[str]) -> None:
    """Colour the cards of the endpoints with these keys, in the order of their positions."""
    configured = settings().endpoints
    positions = [(key, position) for position, key in enumerate(keys)]
    st.html(theme.edges(positions, theme.LIGHT.of(configured), theme.DARK.of(configured)))


@st.cache_resource(show_spinner=False)
def prices() -> Prices:
    return load_prices()


@st.cache_resource(show_spinner=False, on_release=lambda client: client.close())
def client() -> httpx.Client:
    # Shared, because a new client per click would open a new connection, with TLS, each time.
    return new_client()


@st.cache_resource(show_spinner=False, on_release=lambda sender: sender.close())
def sender() -> Sender:
    return Sender()  # starts its process with the first comparison, which the first look does not wait for


@st.cache_resource(show_spinner=False)
def catalog() -> Catalog:
    return Catalog(client())


@st.cache_resource(show_spinner=False, on_release=lambda sampler: sampler.close())
def sampler() -> Sampler:
    # Shared, so that the history outlives a page and several visitors cause only one reading.
    # Launcher and store are looked up here, because the sampler calls `measuring` from another thread.
    return Sampler(Watch(client()), settings().endpoints, settings().monitor, partial(measuring, launcher(), store()))


@st.cache_resource(show_spinner=False, on_release=lambda store: store.close())
def store() -> Store:
    store = Store(settings().results, read_only=settings().read_only)
    recover(store)
    return store


def visitor() -> str:
    """The owner of this browser's comparisons; of this session's, if the browser keeps no cookies."""
    secret = st.context.cookies.get(VISITOR_COOKIE)
    return owner_of(secret if is_secret(secret) else st.session_state.setdefault("visitor", new_secret()))


def user() -> str:
    """Who uses this page, as the header says that the operator trusts; empty if that is unknown."""
    header = settings().user_header
    named = st.context.headers.get(header) or "" if header else ""
    return readable.name(named.rpartition(":")[2], 100)  # IAP: accounts.google.com:ada@example.com


def history(model: str, owner: str | None, limit: int) -> History:
    """The last `limit` comparisons of a model by `owner`, or by everyone.

    Everyone's is shared by all sessions. One's own ends with the session, so that it takes no memory afterwards.
    """
    if owner is None:
        return _everyones_history(model, limit)
    own: dict[tuple[str, str, int], History] = st.session_state.setdefault("histories", {})
    return own.setdefault((model, owner, limit), History(model, owner, limit))


@st.cache_resource(max_entries=4, show_spinner=False)
def _everyones_history(model: str, limit: int) -> History:
    return History(model, None, limit)


@st.cache_resource(show_spinner=False, on_release=lambda launcher: launcher.close())
def launcher() -> Launcher:
    return Launcher(store())


def measuring(launcher: Launcher, store: Store) -> Measuring:
    """What the run in progress measures, no matter who started it."""
    try:
        run_id = launcher.running()
        runs = store.runs(20) if run_id else []
    except StoreError:
        return Measuring.NOTHING
    if run_id is None:
        return Measuring.NOTHING
    # A run that is not in the record yet is contacting its endpoints, and may need them to be idle.
    found = next((run for run in runs if run.id == run_id), None)
    try:
        idle = found is None or kind_of_run(found).needs_idle_endpoints
    except UnknownKind:  # from a later version: it may need idle endpoints too
        idle = True
    return Measuring.STARTS if idle else Measuring.REQUESTS


def training_rows(card: ModelCard) -> TrainingRows | None:
    """The rows that the model of `card` was trained on, if the local artifact has them."""
    try:
        return _training_rows(card.version, card)
    except _NoRows:
        return None


class _NoRows(Exception):
    """Raised instead of returned, so that it is not cached: the artifact may appear at any time."""


@st.cache_resource(max_entries=4, show_spinner=False)
def _training_rows(version: str, _card: ModelCard) -> TrainingRows:
    rows = load(settings().model_dir, _card)
    if rows is None:
        raise _NoRows
    return rows


def shown_card(served: Sequence[Served | None]) -> ModelCard | None:
    """The card that the pages show: from the first endpoint that has one, else from the local artifact."""
    return next((entry.card for entry in served if entry and entry.card), None) or local_card()


def local_card() -> ModelCard | None:
    """The card of the local artifact, used if no endpoint has one."""
    return card_in(settings().model_dir)
