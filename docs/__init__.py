"""Pages, and `docs.generator`, which makes a site of them."""
