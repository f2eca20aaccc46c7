"""The router: which pages there are. Everything else is in `views/`."""

from pathlib import Path

import streamlit as st

from dashboard.views import cost, monitor, predict

HERE = Path(__file__).parent

st.set_page_config(page_title="Faceoff", page_icon=HERE / "static" / "icon.svg", layout="wide")
st.html(HERE / "style.css")
st.navigation(
    [
        st.Page(predict.page, title="Predict", icon=":material/compare_arrows:", url_path="predict", default=True),
        st.Page(cost.page, title="Cost", icon=":material/payments:", url_path="cost"),
        st.Page(monitor.page, title="Monitor", icon=":material/monitor_heart:", url_path="monitor"),
    ],
    position="top",
).run()
