# One image for scheduler and dashboard; compose.yaml runs both on one volume.
FROM python:3.12-slim

RUN useradd --create-home --uid 10001 sextant && install -d -o sextant /data
WORKDIR /app
COPY requirements.txt .
RUN python -m pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY jobs.py sextant.toml pyproject.toml RUNBOOK.md ./
COPY pipeline pipeline
COPY dashboard dashboard
COPY .streamlit .streamlit

ENV SEXTANT_WAREHOUSE=/data/warehouse.duckdb SEXTANT_BACKUPS=/data/backups PYTHONUNBUFFERED=1
USER sextant
VOLUME /data
CMD ["python", "jobs.py", "schedule"]
