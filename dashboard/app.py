"""The router. The pages are in `pages.py`, and everything else is in `views/`."""

from pathlib import Path

import streamlit as st

from dashboard import resources
from dashboard.components.addresses import forget_unusable
from dashboard.pages import PAGES

HERE = Path(__file__).parent

st.set_page_config(page_title="Faceoff", page_icon=HERE / "static" / "icon.svg", layout="wide")
st.html(HERE / "style.css")
resources.show_edges(endpoint.key for endpoint in resources.settings().endpoints)
forget_unusable()
pages = [page.link(default=page is PAGES[0]) for page in PAGES]
home = pages[0]


def _home() -> None:
    st.switch_page(home)


# The home page has a path too, as the other pages have theirs.
also_home = st.Page(_home, title=home.title, url_path=PAGES[0].url_path, visibility="hidden")
page = st.navigation([*pages, also_home], position="top")
# Where there is no room for the bar of pages, Streamlit puts it behind an arrow without a word; style.css shows these.
with st.container(horizontal=True, key="pages"):
    for one in pages:
        st.page_link(one, label=one.title)
page.run()
