"""The site of the documentation: the pages of docs/, and those made from docstrings, commands, settings."""
