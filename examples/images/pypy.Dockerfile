# A function image with PyPy, for long-running pure Python: docker build --file examples/images/pypy.Dockerfile .
ARG BASE=pypy:3.11-slim
FROM ${BASE}

COPY pyproject.toml README.md LICENSE /src/
COPY runtime/lambda_runtime /src/runtime/lambda_runtime
RUN pip install --no-cache-dir /src

COPY examples/hello.py /var/task/
WORKDIR /var/task
# LC_ALL: Lambda sets LANG to a locale that the image lacks, and PyPy 3.11 fails to start with such a locale.
# PYPY_GC_NURSERY: the default is half of the processor's L3 cache, which may exceed the function's memory.
ENV LC_ALL=C.UTF-8 PYPY_GC_NURSERY=4MB
ENTRYPOINT ["pypy3", "-m", "lambda_runtime"]
CMD ["hello.handler"]
