"""What would be uploaded, and where it runs: archives, interpreters, sandboxes."""
