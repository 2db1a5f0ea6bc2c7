# An image of myapp: docker build --tag myapp . (compose.yaml has the stores, too.)
#
# It was written on a machine without a container engine, so nobody has built it there.
# tests/test_containers.py checks what can be checked without one: what is copied is
# there and .dockerignore lets it through, the packages are those of requirements.txt,
# and the command and the health check run, on the copied files alone.
#
# The base is named by its tag, so that a build gets its security updates. For builds
# that are the same tomorrow add the digest that this prints:
#     docker buildx imagetools inspect python:3.13-slim-bookworm
FROM python:3.13-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --require-hashes \
    --only-binary :all: --no-deps --requirement requirements.txt

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin myapp
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY default_config.py wsgi.py myapp.ini ./
COPY deploy/behind-proxy.ini deploy/
COPY migrations migrations
COPY myapp myapp
RUN .venv/bin/python -m compileall -q *.py migrations myapp \
 && install --directory --owner=myapp instance
USER myapp
ENV FLASK_APP=myapp \
    LISTEN=0.0.0.0:5000 \
    MALLOC_MMAP_THRESHOLD_=1048576 \
    PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1
# For a proxy alone: it says what the client's address is (deploy/behind-proxy.ini).
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health/live', timeout=4)"]
CMD ["uwsgi", "--ini", "myapp.ini", "--ini", "deploy/behind-proxy.ini"]
