"""The demo: a deployed model under live HTTP traffic, clean first, then drifting, and who noticed when."""
