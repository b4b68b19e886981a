"""Streams and shutdown, with real servers and real clients.

AWS's emulator in both its modes, and ours, which is the one that streams; boto3, curl and urllib3 read what
comes. ``harness.py`` starts the servers, ``readers.py`` has the clients, ``sink.py`` is a Runtime API that
measures, ``cases/`` says what must be so.
"""
