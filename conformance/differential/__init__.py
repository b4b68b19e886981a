"""AWS's own Python runtime and ours, run on the same inputs and compared.

``awslambdaric`` is what Lambda's managed ``python3.x`` runtimes run. Each case is a small function, its
environment and the events it is sent; both runtimes run it against a Runtime API server that writes down
everything. What they posted, logged and how they ended must be equal, except for the accepted differences::

    pytest conformance/differential -k surrogate
    pytest conformance/differential --accept        # then review the change in accepted/
    python -m conformance.differential              # prints differences.json as a table

How to read it: ``case.py`` (what a case is), ``groups/`` (the cases), ``recorder.py`` (the server),
``process.py`` (one runtime, run once), ``record.py`` (what is compared), ``rules.py`` and ``accepted.py``
(the accepted differences), ``differences.json`` (why they are accepted).
"""
