"""What a number of calls needs: nodes, processors, disk, bandwidth, database."""
