"""What is run: training, serving, and the demo."""
