"""The colours of up to six endpoints, in order, for light and dark pages and reports.

Each has a contrast of at least 4.5 (WCAG 2.2 AA for text) on the page and on a card. Any two are at least 9 apart in
OKLab (times 100), also for people with colour blindness (Machado, Oliveira and Fernandes 2009, severity 1, IEEE
Transactions on Visualization and Computer Graphics 15). The tests of the dashboard's theme compute both.
"""

LIGHT = ("#2563EB", "#B24100", "#9C3EAC", "#326764", "#0B2E8E", "#760A0A")
DARK = ("#5B9BFF", "#FF9A4D", "#E052C4", "#0F9564", "#C7D2FE", "#FF2A31")
LIGHT_BACKGROUNDS = ("#FCFCFD", "#F4F5F8")
"""backgrounds of the page and of a card"""
DARK_BACKGROUNDS = ("#0F1218", "#171B23")
