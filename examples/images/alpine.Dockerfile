# A function image on Alpine, the smallest one: docker build --file examples/images/alpine.Dockerfile .
ARG BASE=python:3.13-alpine
FROM ${BASE}

COPY pyproject.toml README.md LICENSE /src/
COPY runtime/lambda_runtime /src/runtime/lambda_runtime
RUN pip install --no-cache-dir /src

COPY examples/hello.py /var/task/
WORKDIR /var/task
# -P: keep the function's files out of Python's own start, in case they are named like standard modules.
ENTRYPOINT ["python3", "-P", "-m", "lambda_runtime"]
CMD ["hello.handler"]
