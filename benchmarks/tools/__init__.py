"""The monitoring tools that a person chooses from, at one job each in its own environment: `make tools`."""
