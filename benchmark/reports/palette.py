"""The colours of up to six endpoints, in their order, in light and in dark.

Each has a contrast of at least 4.5 (WCAG 2.2 AA for text) on the page and on a card. Any two are at least 25 apart
(CIE 1976 in L*a*b*), also as people with protanopia or deuteranopia see them (Machado, Oliveira and Fernandes 2009,
IEEE Transactions on Visualization and Computer Graphics 15). A test computes both.
"""

LIGHT = ("#2563eb", "#b45309", "#0f766e", "#7f1d1d", "#4c1d95", "#0c4a6e")
DARK = ("#5b9bff", "#ff9a4d", "#22d3ee", "#fca5a5", "#ec4899", "#d9f99d")
LIGHT_BACKGROUNDS = ("#fcfcfd", "#f4f5f8")
"""of the page and of a card"""
DARK_BACKGROUNDS = ("#0f1218", "#171b23")
