"""The one place where objects are kept and fetched: a folder, or any S3."""
