"""The router: which pages there are. Everything else is in `views/`."""

from pathlib import Path

import streamlit as st

from dashboard.addresses import forget_unusable
from dashboard.views import agree, benchmark, coldstart, cost, decide, monitor, predict, runs

HERE = Path(__file__).parent

st.set_page_config(page_title="Faceoff", page_icon=HERE / "static" / "icon.svg", layout="wide")
st.html(HERE / "style.css")
forget_unusable()
home = st.Page(predict.page, title="Predict", icon=":material/compare_arrows:", default=True)


def _home() -> None:
    st.switch_page(home)


pages = [
    home,
    st.Page(agree.page, title="Agree", icon=":material/rule:", url_path="agree"),
    st.Page(benchmark.page, title="Benchmark", icon=":material/speed:", url_path=benchmark.URL_PATH),
    st.Page(coldstart.page, title="Cold start", icon=":material/ac_unit:", url_path=coldstart.URL_PATH),
    st.Page(cost.page, title="Cost", icon=":material/payments:", url_path="cost"),
    st.Page(decide.page, title="Decide", icon=":material/balance:", url_path=decide.URL_PATH),
    st.Page(monitor.page, title="Monitor", icon=":material/monitor_heart:", url_path="monitor"),
    st.Page(runs.page, title="Runs", icon=":material/history:", url_path="runs"),
]
also_predict = st.Page(
    _home, title="Predict", url_path="predict", visibility="hidden"
)  # as the other pages have theirs
page = st.navigation([*pages, also_predict], position="top")
# Where there is no room for the bar of pages, Streamlit puts it behind an arrow without a word; style.css shows these.
with st.container(horizontal=True, key="pages"):
    for one in pages:
        st.page_link(one, label=one.title)
page.run()
