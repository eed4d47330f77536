"""What calls and everything else cost: price books, rating, the ledger, statements, non-payment."""
