"""Load runs: simulated SIP traffic by a profile, and a report that one can trust."""
