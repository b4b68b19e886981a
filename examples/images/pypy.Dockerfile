# A function image with PyPy, for much pure Python: docker build --file examples/images/pypy.Dockerfile .
ARG BASE=pypy:3.11-slim
FROM ${BASE}

COPY pyproject.toml README.md LICENSE /src/
COPY runtime/lambda_runtime /src/runtime/lambda_runtime
RUN pip install --no-cache-dir /src

COPY examples/hello.py /var/task/
WORKDIR /var/task
ENTRYPOINT ["pypy3", "-m", "lambda_runtime"]
CMD ["hello.handler"]
