"""From zip files to functions that answer: AWS CLI and AWS SAM against an account on this machine."""
