"""Sites of clients and the visits to them: where a visit came from, and what the page is to show."""
