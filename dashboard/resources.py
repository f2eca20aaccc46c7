"""What all sessions of one dashboard process share: settings, client, catalog, watch, record and launcher."""

import json
import os
from time import perf_counter

import httpx
import streamlit as st

from benchmark.cost.prices import Prices, load_prices
from benchmark.endpoints.catalog import Catalog, fetch
from benchmark.endpoints.observe import new_client
from benchmark.launch import Launcher
from benchmark.monitor.scrape import Watch
from benchmark.record.store import Store
from dashboard.background import Background
from dashboard.checked import Checked
from dashboard.settings import Settings
from dashboard.training_rows import TrainingRows, load
from inference.card import CARD_FILE, CardError, ModelCard, parse_card


@st.cache_resource
def settings() -> Settings:
    return Settings.from_env(os.environ)


@st.cache_resource
def prices() -> Prices:
    return load_prices()


@st.cache_resource(on_release=lambda client: client.close())
def client() -> httpx.Client:
    # Shared, because a new client for every click would pay for a connection, and for TLS, each time.
    return new_client()


@st.cache_resource
def catalog() -> Catalog:
    return Catalog(client())


@st.cache_resource
def watch() -> Watch:
    # Shared, so that the history is there when the page is opened again, and so that many who look ask once.
    return Watch(client())


@st.cache_resource
def store() -> Store:
    return Store(settings().results_dir)


@st.cache_resource(on_release=lambda launcher: launcher.close())
def launcher() -> Launcher:
    return Launcher(store())


@st.cache_data(ttl=300, show_spinner=False)
def asked_ms() -> float:
    """How long an endpoint takes to say what it serves: a guess at a request, before the first run of them."""
    endpoints = settings().endpoints
    started = perf_counter()
    for endpoint in endpoints:
        fetch(client(), endpoint)
    return (perf_counter() - started) * 1000 / len(endpoints)


@st.cache_resource(max_entries=4)
def training_rows(version: str, _card: ModelCard) -> TrainingRows | None:
    return load(settings().model_dir, _card)


@st.cache_resource
def checks() -> Background[Checked]:
    # Shared: a check outlives the page that began it, and whoever looks next sees the last one.
    return Background()


def local_card() -> ModelCard | None:
    """The card of the local artifact, for when no endpoint gives one."""
    try:
        return parse_card(json.loads((settings().model_dir / CARD_FILE).read_bytes()))
    except (OSError, ValueError, CardError):
        return None
