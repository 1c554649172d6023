"""Browser request -> one of the views. Served by `python -m dashboard.server`, without sign-in also by `streamlit`."""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # `streamlit run` without `python -m` puts only this folder on the path.
    sys.path.insert(0, str(ROOT))

from dashboard.signing import menu  # noqa: E402

ICON = str(ROOT / "dashboard" / "static" / "icon.png")

st.set_page_config(page_title="Sextant", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")
if not menu.guarded():
    st.error(menu.UNGUARDED, icon=":material/lock:")
    st.stop()
admitted = menu.admitted()
page = st.navigation(
    [
        st.Page("views/forecasts.py", title="Forecasts", icon=":material/show_chart:", default=True),
        st.Page("views/accuracy.py", title="Accuracy", icon=":material/target:"),
        st.Page("views/data.py", title="Data", icon=":material/sensors:"),
        st.Page("views/jobs.py", title="Jobs", icon=":material/monitor_heart:"),
        st.Page("views/models.py", title="Models", icon=":material/model_training:"),
        st.Page("views/alerts.py", title="Alerts", icon=":material/notifications:"),
        st.Page("views/audit.py", title="Audit", icon=":material/history:"),
    ],
    position="top" if admitted else "hidden",
)
if admitted:
    page.run()
else:
    menu.signed_out()
