"""The limit of any Streamlit page: a button, and texts that say how often it was pressed.

streamlit run empty_page.py, then /?elements=N for N texts
"""

import streamlit as st

presses = st.session_state.get("presses", 0)
if st.button("Press"):
    presses += 1
    st.session_state.presses = presses

for number in range(int(st.query_params.get("elements", "1"))):
    st.markdown(f"Text {number} after {presses} presses")
