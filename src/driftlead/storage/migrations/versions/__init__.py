"""One migration a file. What has been released is never changed: a new one follows it."""
