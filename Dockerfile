# One image for all processes; docker-compose.yml says which one starts.
# It holds no compiler: every package is installed from a wheel, or the build fails.
# `make images` brings newer base images.
FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VAR_DIR=/var/lib/audit
RUN useradd --create-home --uid 10001 audit && install -d -o audit -g audit -m 0700 /var/lib/audit
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements.txt
COPY . .
USER audit
EXPOSE 8000
CMD ["gunicorn", "audit_site.wsgi", "--bind=0.0.0.0:8000"]
