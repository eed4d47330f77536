"""A client as a document: everything that somebody has set for it, to be read, compared and applied as a whole."""
