"""A page that is not the product's."""

import streamlit as st


def page() -> None:
    st.markdown("A toy page")
