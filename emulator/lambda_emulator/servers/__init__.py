"""The servers: Invoke API, function URL, page and Runtime API, and the HTTP that they speak."""
