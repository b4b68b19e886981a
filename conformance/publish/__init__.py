"""From zip files to functions that can be invoked: AWS CLI and AWS SAM with an account on this machine."""
