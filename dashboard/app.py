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


# The home page also has a path, like all other pages.
also_home = st.Page(_home, title=home.title, url_path=PAGES[0].url_path, visibility="hidden")
page = st.navigation([*pages, also_home], position="top")
# On a narrow window Streamlit hides the navigation behind an unlabelled arrow; style.css shows these links instead.
with st.container(horizontal=True, key="pages"):
    for one in pages:
        st.page_link(one, label=one.title)
page.run()
