"""White label: under which name, colours, domain and language an agency's people see the platform."""
