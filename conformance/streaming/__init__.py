"""Streams and shutdown, with real servers and real clients.

The servers are AWS's emulator in both modes, and ours, which streams. The clients are boto3, curl and
urllib3. ``harness.py`` starts the servers, ``readers.py`` contains the clients, ``sink.py`` is a Runtime API
that measures, and ``cases/`` contains the cases.
"""
