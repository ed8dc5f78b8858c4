"""What `make run` and `make test` do once the virtual environment is there."""
