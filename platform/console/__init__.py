"""What people look at in a browser. Everything it shows and does, it asks of the API, as any browser would."""
