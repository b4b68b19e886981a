"""The pytest plugin in a user's repository, and the page about tests."""
