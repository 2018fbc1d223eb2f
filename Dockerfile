# Two stages: the locked dependencies are built once, the image that runs holds no build tools and no root.
FROM python:3.11-slim AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/app/.venv
RUN pip install --no-cache-dir uv
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY src ./src
COPY migrations ./migrations
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.11-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 omnidesk \
    && useradd --uid 10001 --gid omnidesk --home-dir /var/lib/omnidesk --create-home --shell /usr/sbin/nologin omnidesk
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH LANG=C.UTF-8 \
    OMNIDESK_DATA_DIR=/var/lib/omnidesk OMNIDESK_HOST=0.0.0.0 OMNIDESK_MAIL_HOST=0.0.0.0 OMNIDESK_LOG_FORMAT=json
USER omnidesk
WORKDIR /var/lib/omnidesk
VOLUME /var/lib/omnidesk
EXPOSE 8000 8024 8025
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
CMD ["omnidesk", "up"]
