"""Call records: reading the switch's CDR files, storing them, finding them again."""
