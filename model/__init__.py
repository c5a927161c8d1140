"""Our model: a PyTorch network built from its configuration, and ``model.pt``, its one file."""
