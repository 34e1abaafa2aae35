# The detection API: `docker build -t screentest .` after `make wheel`. See docs/install.md#in-a-container.
FROM python:3.13-slim AS build
COPY dist/screentest-*.whl requirements/dev.txt /wheel/
# The versions that the tests run with. Hashes are left off: the wheel itself has none, and pip wants all or nothing.
# The locked backports-strenum, which LiteRT asks for and does not import, says that it is not for this Python.
RUN sed -e '/--hash=/d' -e '/^backports-strenum==/d' -e 's/ *\\$//' /wheel/dev.txt >/wheel/constraints.txt \
    && python -m venv /opt/screentest \
    && /opt/screentest/bin/pip install --no-cache-dir --disable-pip-version-check \
    --constraint /wheel/constraints.txt /wheel/screentest-*.whl \
    && /opt/screentest/bin/pip uninstall --yes pip

FROM python:3.13-slim
COPY --from=build /opt/screentest /opt/screentest
ENV PATH=/opt/screentest/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 8000
# Requests need the key in SCREENTEST_API_KEY: without one the server refuses to listen beyond loopback.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["screentest"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
