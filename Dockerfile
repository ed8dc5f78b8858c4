# One image for all processes; docker-compose.yml says which one starts.
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VAR_DIR=/var/lib/audit
RUN useradd --create-home --uid 10001 audit && install -d -o audit -g audit -m 0700 /var/lib/audit
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
USER audit
EXPOSE 8000
CMD ["gunicorn", "audit_site.wsgi", "--bind=0.0.0.0:8000"]
