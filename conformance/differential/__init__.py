"""Compare AWS's own Python runtime and ours on the same inputs.

``awslambdaric`` is what Lambda's managed ``python3.x`` runtimes run. Each case is a small function with its
environment and its events. Both runtimes run it against a Runtime API server that records everything. Their
posts, logs and exit must be equal, except for the accepted differences::

    pytest conformance/differential -k surrogate
    pytest conformance/differential --accept        # then review the change in accepted/
    python -m conformance.differential              # prints differences.json as a table

To read the code: ``case.py`` (the definition of a case), ``groups/`` (the cases), ``recorder.py`` (the
server), ``process.py`` (one run of a runtime), ``record.py`` (the compared record), ``rules.py`` and
``accepted.py`` (the accepted differences), ``differences.json`` (their reasons).
"""
