"""The edge: Kamailio's configuration. Data only."""
