"""`dialtrace demo`: the whole platform on embedded defaults, proved by real SIP calls and balanced books."""
