"""Frames -> Plotly figures, pure: nothing here asks the warehouse or Streamlit."""
